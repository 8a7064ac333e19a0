# Targets for people: build, demo, test. See README.md.

GO ?= go
ENGINE := test/engine/build.sh
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
RELEASE := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# How long "make fuzz" stays with each target.
FUZZTIME ?= 30s

# The oldest glibc that the NVML probe must start on: CentOS 7's.
GLIBC_FLOOR := 2.17

# Go's own flags, and no page of warnings about deprecated functions that go-nvml wraps.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations

.PHONY: torture fuzz build probe demo engine slurm test test-short lint bench bench-full gobench clean

## build: bin/fluxworker, one static file
build: probe
	CGO_ENABLED=0 $(GO) build -trimpath -tags fluxworker_probe -ldflags '-s -w -X main.release=$(RELEASE)' -o bin/fluxworker ./cmd/fluxworker

## probe: gpu/probe.bin, the part of fluxworker that asks NVML; test/build builds it in the same way
probe:
	@command -v $${CC:-gcc} >/dev/null || { \
		echo "make build: no C compiler ($${CC:-gcc}), which the NVML probe needs. Install gcc and libc6-dev." >&2; \
		echo "Without one, CGO_ENABLED=0 $(GO) build ./cmd/fluxworker makes a program that asks nvidia-smi instead." >&2; \
		exit 1; }
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '-s -w -extldflags=-Wl,-z,lazy' -o gpu/probe.bin ./gpu/nvmlprobe
	@$(GO) run ./gpu/nvmlprobe/glibcfloor $(GLIBC_FLOOR) gpu/probe.bin || { rm -f gpu/probe.bin; exit 1; }

## demo: 200 prompts through a real Ollama and a tiny model, on the CPU
demo: build
	@scripts/demo.sh

## engine: the real servers and the model that the tests run against, in .cache/engine
engine:
	@$(ENGINE) all

## slurm: the programs of a SLURM cluster, which the tests start; installed with apt-get where they are missing
slurm:
	@test/slurm/install.sh

## test: everything, on the real engines and a real SLURM cluster
test: engine slurm build
	GORACE=atexit_sleep_ms=10 $(GO) test -race -count=1 -timeout 28m ./... # the sleep is for each of many child processes

## torture: 200 SIGKILLs of the worker over one run of 20,000 rows, also in the recovery, the rewrite and before an fsync
torture: engine
	$(GO) test -count=1 -timeout 60m -v -run TestTorture ./test/e2e -torture.kills 200 -torture.rows 20000 -torture.faultrows 20000

## fuzz: every fuzz target for FUZZTIME; "make test" runs only what was found so far (testdata/fuzz)
fuzz:
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" scripts/fuzz.sh

## test-short: what needs no engine
test-short:
	$(GO) test -short ./...

## lint: gofmt, vet, staticcheck, shellcheck, and govulncheck where its database can be reached
lint: probe
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags fluxworker_probe ./gpu
	$(GO) run $(STATICCHECK) ./...
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
	rm -rf bin gpu/probe.bin .cache/demo .cache/test
