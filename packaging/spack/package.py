# "make release" fills in the version and the checksums. Save this file as packages/fluxworker/package.py of a Spack repository
# of your site, go to the folder of the archives, then: spack install fluxworker
import os
import platform

from spack.package import *


class Fluxworker(Package):
    """fluxworker answers a file of prompts with a local Ollama server inside a SLURM job."""

    homepage = "https://github.com/ollama/ollama"  # of the server that fluxworker starts
    manual_download = True

    _archives = {
        "x86_64": ("amd64", "@SHA256_AMD64@"),
        "aarch64": ("arm64", "@SHA256_ARM64@"),
    }
    _arch, _sha256 = _archives.get(platform.machine(), ("", ""))

    if _arch:
        version("@VERSION@", sha256=_sha256)

    def url_for_version(self, version):
        return f"file://{os.getcwd()}/fluxworker-{version}-linux-{self._arch}.tar.gz"

    def install(self, spec, prefix):
        install_tree(".", prefix)

    @run_after("install")
    def starts(self):
        Executable(join_path(self.prefix.bin, "fluxworker"))("version")
