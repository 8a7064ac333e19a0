# Targets for people; CONTRIBUTING.md says when to use which.

GO ?= go
ENGINE := test/engine/build.sh
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEPGUARD := github.com/OpenPeeDeeP/depguard/v2/cmd/depguard@v2.3.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VERSION := $(shell cat VERSION)
COMMIT := $(shell git describe --always --dirty --exclude='*' 2>/dev/null)
RELEASE := $(VERSION)$(if $(COMMIT),+$(COMMIT))

# How long "make fuzz" stays with each target.
FUZZTIME ?= 30s

# Where "make release" puts the archives.
DIST ?= dist

# The oldest glibc that the NVML probe must start on: CentOS 7's.
GLIBC_FLOOR := 2.17

# Go's own flags, and no page of warnings about deprecated functions that go-nvml wraps.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations

.PHONY: help version build release release-tools probe demo engine slurm nfs duckdb apptainer apptainer-setuid promtool test test-unit test-script test-standin test-engine test-slurm test-slurms test-by-version test-release test-nfs test-container test-setuid test-report test-race test-figures test-all gpu-test gpu-pack test-one stress torture fuzz lint bench bench-full gobench clean

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

## version: the version of the next release, from VERSION
version:
	@echo $(VERSION)

## build: bin/fluxworker, one static file
build: probe
	CGO_ENABLED=0 $(GO) build -trimpath -tags fluxworker_probe -ldflags '-s -w -X main.release=$(RELEASE)' -o bin/fluxworker ./cmd/fluxworker

## release: the archives of VERSION for x86_64 and aarch64, with checksums, bills of materials and recipes, in dist
release:
	@packaging/install.sh
	@GO="$(GO)" RELEASE="$(RELEASE)" GLIBC_FLOOR="$(GLIBC_FLOOR)" packaging/release.sh "$(DIST)"

## probe: gpu/probe.bin, the part of fluxworker that asks NVML; test/build builds it in the same way
probe:
	@command -v $${CC:-gcc} >/dev/null || { \
		echo "make build: no C compiler ($${CC:-gcc}), which the NVML probe needs. Install gcc and libc6-dev." >&2; \
		echo "Without one, CGO_ENABLED=0 $(GO) build ./cmd/fluxworker makes a program that asks nvidia-smi instead." >&2; \
		exit 1; }
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '-s -w -extldflags=-Wl,-z,lazy' -o gpu/probe.bin ./gpu/nvmlprobe
	@$(GO) run ./gpu/nvmlprobe/glibcfloor $(GLIBC_FLOOR) gpu/probe.bin || { rm -f gpu/probe.bin; exit 1; }
	@$(GO) run ./gpu/nvmlprobe/compress gpu/probe.bin

## demo: 200 prompts through a real Ollama and a tiny model, on the CPU
demo: build
	@scripts/demo.sh

## engine: the real servers and the model that the tests run against, in .cache/engine
engine:
	@$(ENGINE) all

## slurm: the programs of a SLURM cluster, which the tests start; installed with apt-get where they are missing. SLURM=24.11 or 26.05 unpacks that version into .cache/slurm, too
slurm:
	@test/slurm/install.sh
	@[ -z "$(SLURM)" ] || test/slurm/unpack.sh "$(SLURM)"

## nfs: an NFS server and a kernel for test nodes, unpacked from Debian's packages into .cache/nfs; nothing is installed
nfs:
	@test/nfs/install.sh

## duckdb: DuckDB, which reads and writes the tables of tests, by npm in .cache/duckdb; installs Node with apt-get where it is missing
duckdb:
	@test/duckdb/install.sh

## apptainer: a real Apptainer, unpacked from Debian sid's packages into .cache/apptainer; nothing is installed
apptainer:
	@test/containers/install.sh

## apptainer-setuid: an Apptainer with setuid beside it, built from Debian sid's sources in 5 minutes; nothing is installed
apptainer-setuid: apptainer
	@test/containers/setuid.sh

## promtool: Prometheus' checker of metrics, unpacked from Debian's package into .cache/promtool; nothing is installed
promtool:
	@test/tools/get-promtool.sh

## browser: what the tests of the report need: Chromium and Node.js, installed with apt-get where they are missing, and packages of npm in .cache/browser
browser:
	@test/report/install.sh

## release-tools: what the tests of a release need: qemu-user, compilers, and folders with old and bare systems in .cache/release
release-tools:
	@packaging/install.sh
	@test/release/install.sh

# One test program of each package; a machine that is busy makes them slower, and none of them red.
TEST := $(GO) test -count=1 -timeout 25m

# What needs neither an engine nor SLURM, nor minutes.
UNIT = $(shell $(GO) list ./... | grep -v -e /test/standin -e /test/engines -e /test/cluster -e /test/slurm -e /test/nfs -e /test/containers -e /test/gpu -e /test/release -e /test/report)
# What measures. The second takes three minutes: make test-one T=TestUnrelatedPromptsStayInTheJobsMemory runs it.
FIGURES := ^(TestEveryFigure|TestUnrelatedPromptsStayInTheJobsMemory)$$
# What needs a setuid Apptainer, which takes five minutes to build.
SETUID := ^TestSetuidApptainer$$
# What make test runs: all but the nodes of test/nfs, which take 2 to 18 minutes, and test/gpu, which wants a card for itself.
MOST = $(shell $(GO) list ./... | grep -v -e /test/nfs -e /test/gpu)
# What needs an engine, SLURM, a container, an archive or a browser: the race detector sees nothing of it.
REAL := ./test/engines ./test/cluster ./test/slurm ./test/containers ./test/release ./test/report
NOT_UNIT := -skip '^(TestScripts|TestLive|TestEveryFigure)'

## test: what shows that a change is good: unit tests, scripts, both engines, a real SLURM cluster, a real Apptainer (docs/testing.md)
test: engine slurm apptainer duckdb browser release-tools promtool build
	$(GO) test -run '^$$' $(MOST) >/dev/null # compilers beside the clusters make a small machine slower than the limits of jobs
	$(TEST) -p 3 -skip '$(FIGURES)|$(SETUID)' $(MOST)

## test-unit: the packages by themselves, under a minute
test-unit:
	$(TEST) $(NOT_UNIT) $(UNIT)

## test-script: what a user types and what comes back, against a stand-in server
test-script:
	$(TEST) -run '^TestScripts$$' ./cmd/fluxworker

## test-standin: the built program and a stand-in server: kills, failing servers, broken disks, GPUs
test-standin:
	$(TEST) ./test/standin

## test-engine: the built program and real Ollamas of both generations
test-engine: engine duckdb build
	$(TEST) ./test/engines

# Tests run on this SLURM in place of the machine's.
ON_SLURM = $(if $(SLURM),-exec "'$(CURDIR)/test/slurm/within.sh' $(SLURM)")

## test-slurm: jobs of a real SLURM cluster, of the machine's version or of SLURM=24.11 or 26.05
test-slurm: engine slurm
	$(TEST) $(ON_SLURM) -skip '$(FIGURES)' ./test/slurm ./test/cluster
	$(TEST) $(ON_SLURM) -run '^TestLive' ./worker/slurm

# What a version of SLURM may change: its variables, signals and requeues, the ends of jobs, and the job scripts.
BY_VERSION := ^(TestLive|TestScancel|TestTimeLimit|TestSignalOption|TestRequeue|TestPreemption|TestKilledTest|TestEndsOfJobs|TestJobScripts|TestPlannedScript|TestWrongRequests)

## test-slurms: what a newer SLURM may change, on 24.11 and 26.05; what Debian's mirror does not have any more is left out
test-slurms: engine
	@for version in 24.11 26.05; do \
		$(MAKE) --no-print-directory slurm SLURM=$$version || exit 1; \
		[ ! -e .cache/slurm/$$version ] || $(MAKE) --no-print-directory test-by-version SLURM=$$version || exit 1; \
	done

test-by-version:
	$(TEST) $(ON_SLURM) -p 3 -run '$(BY_VERSION)' ./test/slurm ./test/cluster ./worker/slurm

## test-container: servers in containers of a real Apptainer
test-container: engine apptainer
	$(TEST) -skip '$(SETUID)' ./test/containers

## test-setuid: the same with a setuid Apptainer, which is built first: 5 minutes
test-setuid: engine apptainer-setuid
	$(TEST) -run '$(SETUID)' ./test/containers

## test-release: archives of "make release" in bare places and, with qemu-user, on arm64; get-ollama.sh
test-release: engine release-tools
	$(TEST) ./test/release

## test-report: reports in a real browser
test-report: browser
	$(TEST) ./test/report

## test-nfs: two nodes with kernels of their own, and locks on an NFS server (v3 and v4.1)
test-nfs: nfs
	$(TEST) ./test/nfs

## test-race: unit tests, scripts and stand-in tests with the race detector, in the program, too
test-race:
	GORACE=atexit_sleep_ms=10 $(TEST) -race $(NOT_UNIT) $(UNIT) # the sleep is for each of many child processes
	GORACE=atexit_sleep_ms=10 $(TEST) -race -run '^TestScripts$$' ./cmd/fluxworker
	GORACE=atexit_sleep_ms=10 $(TEST) -race ./test/standin

## test-figures: each figure of the bench at its smallest size, and the memory that a row takes
test-figures: engine
	$(TEST) -run '^TestEveryFigure$$' ./test/bench
	$(TEST) -run '^$$' -bench '^BenchmarkMemoryOf' -benchtime 1x ./worker/... ./cmd/...

## test-all: each test of make test once, with the race detector where it sees the program, and the figures
test-all: engine slurm apptainer duckdb browser release-tools promtool build
	$(GO) test -run '^$$' $(REAL) ./worker/slurm ./test/standin >/dev/null
	$(TEST) -p 3 -skip '$(SETUID)|$(FIGURES)' $(REAL)
	$(TEST) -run '^TestLive' ./worker/slurm
	$(TEST) -run '^TestAnswersInFlightAreBounded$$' ./test/standin # the race detector takes several times the memory
	$(MAKE) --no-print-directory test-race test-figures

## gpu-test: the plan against a real NVIDIA GPU: memory, isolation, failed loads, rows/s; without a GPU, what needs none. ARGS=-update writes the table
gpu-test: engine
	@test/gpu/build.sh
	$(GO) test -count=1 -timeout 20m -v ./test/gpu $(ARGS)

## gpu-pack: gpu-test for a GPU node without Go and a network: a file to copy there, .cache/fluxworker-gpu.tar.xz
gpu-pack: engine
	@test/gpu/pack.sh .cache/fluxworker-gpu.tar.xz

## test-one: one test or script by its name, T=TestAnswers, T=TestServerHit/old or T=held
test-one:
	@GO="$(GO)" scripts/test-one.sh "$(T)"

## torture: 200 SIGKILLs of the worker over one run of 20,000 rows, also in the recovery, the rewrite and before an fsync
torture:
	$(GO) test -count=1 -timeout 60m -v -run '^TestTorture' ./test/standin -torture.kills 200 -torture.rows 20000

## stress: each suite again and again, beside eight others, on one core, with other seeds and with -race; ARGS="-runs 3 ./worker"
stress: engine slurm duckdb build
	$(GO) run ./test/stress $(ARGS)

## fuzz: every fuzz target for FUZZTIME; "make test" runs only what was found so far (testdata/fuzz)
fuzz:
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" scripts/fuzz.sh

## lint: gofmt, vet, staticcheck, the directions of imports, shellcheck, and govulncheck where its database can be reached
lint: probe
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags fluxworker_probe ./gpu
	$(GO) vet -tags manpages ./cmd/fluxworker
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(DEPGUARD) ./...
	@scripts/shellcheck.sh
	@scripts/govulncheck.sh "$(GO) run $(GOVULNCHECK)"

## bench: what fluxworker costs and what it holds, one table (some 15 minutes); ARGS="-only a,d" for some figures
bench: engine
	$(GO) run ./test/bench $(ARGS)

## bench-full: the same with every size that is promised; hours, and 60 GB of scratch
bench-full: engine
	$(GO) run ./test/bench -full $(ARGS)

## gobench: the Go benchmarks
gobench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin dist gpu/probe.bin gpu/probe.bin.zst .cache/demo .cache/test
