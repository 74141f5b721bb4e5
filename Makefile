# fleetfall: make demo, make test; make soak for what takes long. Everything they need beside Go, make and a C compiler is installed from Debian's
# packages when it is missing, as root or with sudo.

# What a run needs is what `fleetfall doctor` checks.
RUN_PACKAGES  := qemu-system-x86 qemu-utils libvirt-daemon-system linux-headers-cloud-amd64 e2fsprogs gcc make binutils libc6-dev clang libbpf-dev
TEST_PACKAGES := $(RUN_PACKAGES) chromium libclang-rt-14-dev busybox-static libvirt-clients openssh-client valgrind

GO       ?= go
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)
SCENARIO ?= channel-file-291

.PHONY: demo test check bench build image fuzz golden clean deps test-deps

demo: build image ## boot real VMs, break them with one bad update, write the report
	./bin/fleetfall run $(SCENARIO)

# What a run says that it was made by, also where Go does not look at the repository.
COMMIT = $(shell git describe --always --abbrev=12 --dirty 2>/dev/null)

build: ## bin/fleetfall
	$(GO) build -ldflags '-X main.commit=$(COMMIT)' -o bin/fleetfall ./cmd/fleetfall

image: deps build ## the VM image, unless it is there already
	./bin/fleetfall image build tiny

# More packages than CPUs: tests that boot VMs wait for a slot (internal/capability), and for VMs.
TEST_PACKAGES_AT_ONCE ?= 3
# Packages are begun in this order: what takes longest first, so that nobody waits for it at the end.
LONGEST_TESTS := ./orchestrator/libvirt ./cmd/fleetfall ./orchestrator/experiment

test: test-deps check-format ## everything, on real VMs too
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	FLEETFALL_PROMISED=all $(GO) test -count=1 -race -p $(TEST_PACKAGES_AT_ONCE) -timeout 60m $(LONGEST_TESTS) ./...
	$(GO) test -count=1 -run 'Hostile|Fuzz' ./scenarios

check: check-format ## format, vet, staticcheck and the tests that need no VM
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -short ./...

.PHONY: check-format
check-format:
	@set -e; files=$$(git ls-files '*.go'); test -n "$$files"; gofmt=$$($(GO) env GOROOT)/bin/gofmt; \
	unformatted=$$($$gofmt -l $$files); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi

bench: test-deps build image ## speeds as ratios measured in one run, and sizes; BENCH_HOSTS=6 to try it
	$(GO) run ./internal/bench

FUZZTIME ?= 1m
fuzz: ## each fuzz target for FUZZTIME, the C interpreter's among them
	$(call fuzz-interpreter,$(FUZZTIME))
	$(call fuzz,$(FUZZTIME),./...)

define fuzz-interpreter
	$(GO) test -count=1 -v -timeout 0 -run '^TestFuzzWithAllChecks$$' ./agents/interpreter/test -interpreter-fuzz $(1)
endef

# Each fuzz target of the packages (2) for a time (1). What was found is minimised once: that takes minutes of large inputs.
define fuzz
	@for package in $$($(GO) list $(2)); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(1) -fuzzminimizetime 1x $$package || exit 1; \
		done; \
	done
endef

# Mutants of the packages (1): tests have to notice 92 of a hundred. (2) is how many times as long as usual they may take, by
# which endless loops are noticed; (3) is the environment. What stands in the expression of a case is not tried by the tool,
# and its own threshold does not make it fail.
GREMLINS := $(GO) run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0 unleash --workers 2 --output-statuses lt
define mutants
	@set -e; log=$$(mktemp); trap 'rm -f $$log' EXIT; for package in $(1); do \
		echo "mutants of $$package"; \
		$(3) $(GREMLINS) --timeout-coefficient $(2) $$package | tee $$log; \
		awk '/^Test efficacy: / { enough = $$3 + 0 >= 92 } END { exit !enough }' $$log || \
			{ echo "$$package: fewer than 92 % of the mutants are noticed"; exit 1; }; \
	done
endef

# What takes long, in parts of at most ten minutes on a machine with two fast cores. make soak is all of them, make soak-kills one.
# CI runs some of them, others each time: .ci/run.
SOAK := fuzz-agents fuzz-orchestrator fuzz-rest damage kills same verify interpreter perturbed \
	mutants-orchestrator mutants-console mutants-stats mutants-measure

.PHONY: soak soak-parts $(SOAK:%=soak-%)
soak: $(SOAK:%=soak-%) ## all parts of what takes long, one after the other

soak-parts: ## their names
	@echo $(SOAK)

soak-kills: test-deps ## runs that are killed at thirty random points of their lives
	FLEETFALL_PROMISED=all FLEETFALL_KILLS=30 $(GO) test -count=1 -v -timeout 0 -run '^TestKillAtRandom$$' ./cmd/fleetfall

soak-same: test-deps ## causes and times on the virtual clock, again and again
	FLEETFALL_PROMISED=all $(GO) test -count=8 -v -timeout 0 -run '^(TestCauseBeforeEffect|TestTheSameTwice)$$' ./orchestrator/libvirt

soak-verify: deps build image ## the demo's scenario, each trial twice, idle and busy
	results=$$(mktemp -d) && ./bin/fleetfall run channel-file-291 --clock virtual --verify --results $$results; \
	code=$$?; rm -r $$results; exit $$code

soak-perturbed: test-deps ## the demo on images that differ in what no program reads
	FLEETFALL_PROMISED=all FLEETFALL_PERTURBED=3 $(GO) test -count=1 -v -timeout 0 -run '^TestPerturbedImages$$' ./orchestrator/experiment

soak-interpreter: test-deps ## the interpreter in C under its sanitizers
	$(call fuzz-interpreter,8m)

soak-fuzz-agents: ## fuzz targets of what runs in guests
	$(call fuzz,45s,./agents/...)

soak-fuzz-orchestrator: ## fuzz targets of the orchestrator
	$(call fuzz,45s,./orchestrator/...)

soak-fuzz-rest: ## fuzz targets of everything else
	$(call fuzz,25s,./scenarios/... ./results/... ./vmimages/... ./internal/...)

soak-damage: ## thousands of damaged and hostile journals
	FLEETFALL_DAMAGES=20 $(GO) test -count=1 -v -timeout 0 -run 'Damage|Hostile' ./results/measure ./orchestrator/experiment

soak-mutants-orchestrator: ## mutants of who is up, and of who comes
	$(call mutants,./orchestrator/health ./orchestrator/recovery,30)

soak-mutants-console: ## mutants of what a console says
	$(call mutants,./orchestrator/console,30)

soak-mutants-stats: ## mutants of the statistics, noticed by the tests' short form
	$(call mutants,./results/stats,6,GOFLAGS="-short -vet=off")

soak-mutants-measure: ## mutants of the metrics, noticed by the tests' short form
	$(call mutants,./results/measure,10,GOFLAGS="-short -vet=off")

golden: ## write golden files anew; read the difference before you commit it
	$(GO) test -short $$(git grep -l 'flag.Bool("update"' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|') -update

clean: ## what make has built; the image cache and results stay
	rm -rf bin

# Installs what is missing of the packages given, and nothing when nothing is.
define install
	@missing=; for p in $(1); do \
		dpkg-query -W -f '$${db:Status-Abbrev}' $$p 2>/dev/null | grep -q '^ii' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		$(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	fi
endef

deps: ## Debian packages that a run needs
	$(call install,$(RUN_PACKAGES))

test-deps: ## Debian packages that the tests need
	$(call install,$(TEST_PACKAGES))

.PHONY: study
study: build image ## the demo with twelve seeds, and how many of the intervals hold the mean of all: half an hour
	set -e; results=$$(mktemp -d); for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do \
		./bin/fleetfall run channel-file-291 --clock virtual --var seed=$$seed --results $$results >/dev/null || [ $$? = 1 ] || { rm -r $$results; exit 1; }; \
	done; $(GO) run ./internal/study $$results/runs/*; rm -r $$results

# Tables of runs in documents are what this fleetfall makes of the journals in docs/runs (docs/docs_test.go).
# make figures FIGURES='matrix channel-file-291-real' takes an hour: their tables may be of an older image, and then say so.
FIGURES ?= channel-file-291

.PHONY: figures readme
figures: deps build image ## runs anew what the documents' tables are of, and writes the tables
	set -e; for run in $(FIGURES); do \
		case $$run in *-real) of="$${run%-real} --var pace=real" keep=results.json;; *) of=$$run keep=journal.jsonl;; esac; \
		results=$$(mktemp -d); \
		./bin/fleetfall run $$of --clock virtual --results $$results || { code=$$?; rm -r $$results; exit $$code; }; \
		cp $$results/latest/$$keep docs/runs/$$run.$${keep#*.}; rm -r $$results; \
	done
	$(GO) test ./docs -update

readme: ## the README's table of make bench, from the latest one
	awk -v bench=bin/bench.md ' \
		function paste(file,   line, lines) { \
			while (file && (getline line < file) > 0) { if (!lines++) print ""; sub(/^## /, "### ", line); print line } \
			if (lines) print ""; \
			return lines \
		} \
		/^<!-- bench: end/ { skip = 0 } \
		!skip { print } \
		/^<!-- bench: begin/ { skip = paste(bench) }' README.md > README.md.new && mv README.md.new README.md
