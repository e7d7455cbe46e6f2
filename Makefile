# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets. Sources are found by wildcard: a new file needs no change here.

CC ?= gcc
CLANG ?= clang
PYTHON ?= /usr/bin/python3
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
B := build

# ---- packages: the only place that installs ----
PACKAGES := build-essential pkg-config git ca-certificates openssl \
        libmicrohttpd-dev libgnutls28-dev libjansson-dev libcurl4-openssl-dev libssl-dev libevent-dev libyaml-dev \
        uthash-dev libxxhash-dev libcmocka-dev libprotobuf-c-dev protobuf-c-compiler libnghttp2-dev \
        python3 python3-venv python3-pytest python3-yaml curl prometheus
LINT_PACKAGES := clang clang-tidy clang-format cppcheck libclang-rt-14-dev
E2E_PACKAGES := golang-1.19-go golang-github-modern-go-reflect2-dev etcd-server dpkg-dev chromium fonts-dejavu-core

# ---- flags ----
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wformat=2 -Wvla -Wswitch-enum -Werror
PKGS := libmicrohttpd jansson libcurl openssl libevent libevent_openssl libevent_pthreads yaml-0.1 gnutls libprotobuf-c libnghttp2
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
BASE_CFLAGS := -std=gnu11 -g -I. -isystem $(B)/gen -D_GNU_SOURCE $(WARN) $(PKG_CFLAGS)
# make V=1 shows the commands.
Q := $(if $(V),,@)
RELEASE_CFLAGS := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fno-omit-frame-pointer
RELEASE_LDFLAGS := -pie -Wl,-z,relro,-z,now
TEST_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DGATEHOUSE_TEST
TSAN_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=thread -DGATEHOUSE_TEST

# ---- sources ----
LIB_DIRS := base kube dag certs webhook controller xds
LIB_SRC := $(filter-out %_test.c,$(foreach d,$(LIB_DIRS),$(wildcard $(d)/*.c)))
CMD_SRC := $(filter-out %_test.c,$(wildcard cmd/*.c))
DEVKUBE_SRC := $(filter-out %_test.c,$(wildcard e2e/devkube/*.c))
BASE_SRC := $(filter base/%,$(LIB_SRC))
TEST_SRC := $(foreach d,$(LIB_DIRS) cmd e2e/devkube,$(wildcard $(d)/*_test.c))
TSAN_SRC := $(foreach d,$(LIB_DIRS) cmd,$(wildcard $(d)/*_threads_test.c))
FUZZ_SRC := $(filter-out fuzz/replay.c,$(wildcard fuzz/*.c))
BENCH_SRC := $(wildcard bench/*.c)
ALL_C := $(LIB_SRC) $(CMD_SRC) $(DEVKUBE_SRC) $(TEST_SRC) $(FUZZ_SRC) $(wildcard fuzz/replay.c) $(BENCH_SRC)
ALL_H := $(foreach d,$(LIB_DIRS) cmd e2e/devkube bench fuzz,$(wildcard $(d)/*.h))

# Envoy's messages (xds/proto) become C in build/gen: <envoy/config/cluster/v3/cluster.pb-c.h> and so on.
PROTO := $(filter-out %/descriptor.proto,$(shell find xds/proto -name '*.proto'))
GEN_SRC := $(patsubst xds/proto/%.proto,$(B)/gen/%.pb-c.c,$(PROTO))
gen_objs = $(patsubst $(B)/gen/%.c,$(B)/$(1)/obj/gen/%.o,$(GEN_SRC))

objs = $(patsubst %.c,$(B)/$(1)/obj/%.o,$(2))
CMD_LIB_SRC := $(filter-out cmd/main.c,$(CMD_SRC))
DEVKUBE_LIB_SRC := $(filter-out e2e/devkube/main.c,$(DEVKUBE_SRC))

.PHONY: all release docs rootfs image demo devkube test unit integration lint format layers bench e2e apiserver fuzz deps deps-lint \
        deps-e2e hooks clean help test-binaries tsan
.DEFAULT_GOAL := release

release: $(B)/gatehouse ## build/gatehouse (the default)
all: release devkube test-binaries ## everything that is built from C
devkube: $(B)/devkube ## build/devkube, the embedded Kubernetes API server

# What names the version is built anew when it changes.
$(shell mkdir -p $(B); echo '$(VERSION)' | cmp -s - $(B)/version || echo '$(VERSION)' >$(B)/version)
VERSION_USERS := $(shell grep -l GATEHOUSE_VERSION $(LIB_SRC) $(CMD_SRC) /dev/null)
version_objs := $(foreach m,release test tsan,$(call objs,$(m),$(VERSION_USERS)))
$(version_objs): $(B)/version
$(version_objs): BASE_CFLAGS += -DGATEHOUSE_VERSION='"$(VERSION)"'

$(GEN_SRC) &: $(PROTO)
	@mkdir -p $(B)/gen
	@echo "  PROTO"
	$(Q)protoc-c -Ixds/proto -I/usr/include --c_out=$(B)/gen $(patsubst xds/proto/%,%,$(PROTO))

# ---- one set of rules per build mode ----
define mode
$(B)/$(1)/obj/%.o: %.c Makefile | $(GEN_SRC)
	@mkdir -p $$(@D)
	@echo "  CC $(1) $$<"
	$$(Q)$$(CC) $$(BASE_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<
$(B)/$(1)/obj/gen/%.o: $(B)/gen/%.c Makefile
	@mkdir -p $$(@D)
	@echo "  CC $(1) $$<"
	$$(Q)$$(CC) $$(filter-out $$(WARN),$$(BASE_CFLAGS)) $(2) -MMD -MP -c -o $$@ $$<
$(B)/$(1)/libgatehouse.a: $$(call objs,$(1),$$(LIB_SRC)) $$(call gen_objs,$(1))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
$(B)/$(1)/libcmd.a: $$(call objs,$(1),$$(CMD_LIB_SRC))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
$(B)/$(1)/libdevkube.a: $$(call objs,$(1),$$(DEVKUBE_LIB_SRC) $$(BASE_SRC))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(eval $(call mode,release,$(RELEASE_CFLAGS)))
$(eval $(call mode,test,$(TEST_CFLAGS)))
$(eval $(call mode,tsan,$(TSAN_CFLAGS)))
.SECONDARY:

# GNU ld needs a library again behind the one that calls it back: grouped.
group = -Wl,--start-group $(1) -Wl,--end-group

$(B)/gatehouse: $(B)/release/obj/cmd/main.o $(B)/release/libcmd.a $(B)/release/libgatehouse.a
	@echo "  LD $@"
	$(Q)$(CC) $(RELEASE_LDFLAGS) -o $@ $(call group,$^) $(LIBS)
$(B)/devkube: $(B)/release/obj/e2e/devkube/main.o $(B)/release/libdevkube.a
	@echo "  LD $@"
	$(Q)$(CC) $(RELEASE_LDFLAGS) -o $@ $(call group,$^) $(LIBS)
$(B)/test/gatehouse: $(B)/test/obj/cmd/main.o $(B)/test/libcmd.a $(B)/test/libgatehouse.a
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(call group,$^) $(LIBS)
$(B)/test/devkube: $(B)/test/obj/e2e/devkube/main.o $(B)/test/libdevkube.a
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(call group,$^) $(LIBS)
$(B)/test/e2e/devkube/%_test: $(B)/test/obj/e2e/devkube/%_test.o $(B)/test/libdevkube.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(call group,$^) -lcmocka $(LIBS)
$(B)/test/%_test: $(B)/test/obj/%_test.o $(B)/test/libcmd.a $(B)/test/libgatehouse.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(call group,$^) -lcmocka $(LIBS)
$(B)/tsan/%_test: $(B)/tsan/obj/%_test.o $(B)/tsan/libcmd.a $(B)/tsan/libgatehouse.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=thread -o $@ $(call group,$^) -lcmocka $(LIBS)
# The fuzz targets with a plain main() that replays their corpus.
$(B)/test/fuzz/%: $(B)/test/obj/fuzz/%.o $(B)/test/obj/fuzz/replay.o $(B)/test/libcmd.a $(B)/test/libgatehouse.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(call group,$^) $(LIBS)
$(B)/bench/%: $(B)/release/obj/bench/%.o $(B)/release/libcmd.a $(B)/release/libgatehouse.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(RELEASE_LDFLAGS) -o $@ $(call group,$^) $(LIBS)

TEST_BINARIES := $(patsubst %.c,$(B)/test/%,$(TEST_SRC))
TSAN_BINARIES := $(patsubst %.c,$(B)/tsan/%,$(TSAN_SRC))
REPLAY_BINARIES := $(patsubst fuzz/%.c,$(B)/test/fuzz/%,$(FUZZ_SRC))
BENCH_BINARIES := $(patsubst bench/%.c,$(B)/bench/%,$(BENCH_SRC))
test-binaries: ## unit tests, and gatehouse and devkube with AddressSanitizer and UBSan
test-binaries: $(TEST_BINARIES) $(TSAN_BINARIES) $(REPLAY_BINARIES) $(if $(CMD_SRC),$(B)/test/gatehouse) \
        $(if $(DEVKUBE_SRC),$(B)/test/devkube)
tsan: $(TSAN_BINARIES) ## build the threaded tests with ThreadSanitizer

# ---- what people run ----
# Installing comes first, then a fresh make sees the libraries' flags.
test: deps ## install what is missing, build, run all that needs no real API server, end with counts
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@B=$(B) PYTHON=$(PYTHON) bash .ci/test.sh all
unit: test-binaries ## only the unit tests and the fuzz corpora
	@B=$(B) PYTHON=$(PYTHON) bash .ci/test.sh unit
integration: test-binaries devkube release ## only the tests of the real binary against devkube
	@B=$(B) PYTHON=$(PYTHON) bash .ci/test.sh integration
demo: deps ## a guided tour on an embedded API server with a real Envoy, then a prompt to try
	@$(MAKE) --no-print-directory -j$$(nproc) release devkube
	@bash e2e/demo.sh
e2e: deps deps-e2e ## the end-to-end tests against a real kube-apiserver and etcd
	@$(MAKE) --no-print-directory -j$$(nproc) release devkube
	@$(MAKE) --no-print-directory apiserver
	@B=$(B) PYTHON=$(PYTHON) bash .ci/test.sh e2e
apiserver: deps-e2e ## build kube-apiserver 1.20.2 once (unless KUBEBUILDER_ASSETS is set)
	@bash e2e/apiserver/build.sh
rootfs: release ## build/rootfs: what an image holds, ready for chroot
	@bash .ci/rootfs.sh $(B)/gatehouse $(B)/rootfs
IMAGE ?= gatehouse:$(VERSION)
image: ## build the image, with podman, buildah or docker
	@builder=$$(command -v podman || command -v buildah || command -v docker) || { \
                echo "no podman, buildah or docker on PATH: make rootfs assembles what the image would hold" >&2; exit 1; }; \
        "$$builder" build --build-arg VERSION=$(VERSION) -t $(IMAGE) .
bench: deps ## measure; figures go to bench/README.md by hand
	@$(MAKE) --no-print-directory -j$$(nproc) release devkube $(BENCH_BINARIES)
	@B=$(B) PYTHON=$(PYTHON) bash bench/run.sh
fuzz: deps deps-lint $(GEN_SRC) ## every fuzz target with libFuzzer, FUZZ_SECONDS (30) each
	@CLANG=$(CLANG) CFLAGS='$(filter-out -Werror,$(BASE_CFLAGS)) -DGATEHOUSE_VERSION=\"fuzz\"' LIBS='$(LIBS)' B=$(B) bash .ci/fuzz.sh \
                '$(LIB_SRC) $(CMD_LIB_SRC) $(GEN_SRC)' '$(FUZZ_SRC)'

# ---- checks ----
TIDY := xargs -P$$(nproc) -n4 clang-tidy -p . --quiet --warnings-as-errors='*'
lint: deps deps-lint layers compile_commands.json $(GEN_SRC) ## clang's warnings, clang-tidy, cppcheck, clang-format, layers
	@clang-format --dry-run -Werror $(ALL_C) $(ALL_H)
	@printf '%s\n' $(ALL_C) | xargs -P$$(nproc) -I{} $(CLANG) $(BASE_CFLAGS) -DGATEHOUSE_VERSION='""' -DGATEHOUSE_TEST -fsyntax-only {}
	@cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr -I. \
                --suppressions-list=.ci/cppcheck.suppressions --error-exitcode=1 -j2 $(ALL_C)
	@printf '%s\n' $(filter-out $(TEST_SRC),$(ALL_C)) | $(TIDY) 2>$(B)/tidy.log || { cat $(B)/tidy.log; exit 1; }
	@# The analyzer does not know that cmocka's assertions end a test.
	@printf '%s\n' $(TEST_SRC) | $(TIDY) --checks='-clang-analyzer-core.*' 2>$(B)/tidy.log \
                || { cat $(B)/tidy.log; exit 1; }
	@echo "lint: clean"
layers: ## each folder includes only what design.md allows
	@bash .ci/layers.sh
docs: $(B)/gatehouse ## rewrite what comes from the binary's tables, and the plain alert rules
	@$(B)/gatehouse help --markdown >docs/flags.md
	@$(B)/gatehouse help rules --markdown >docs/rules.md
	@$(B)/gatehouse help metrics --markdown >docs/metrics.md
	@{ echo '# Written by `make docs` from ../prometheusrule.yaml, for a Prometheus without operator.'; \
                sed -n '/^spec:$$/,$$ {/^spec:$$/d; s/^  //; p}' manifests/monitoring/prometheusrule.yaml; \
        } >manifests/monitoring/prometheus/rules.yaml
format: ## rewrite all C files by .clang-format
	@clang-format -i $(ALL_C) $(ALL_H)
compile_commands.json: Makefile $(ALL_C)
	@mkdir -p $(B)
	@{ sep='['; for f in $(ALL_C); do \
                printf '%s\n{"directory":"%s","file":"%s","arguments":["$(CLANG)"' "$$sep" "$(CURDIR)" "$$f"; \
                printf ',"%s"' -std=gnu11 -I. -isystem $(B)/gen -D_GNU_SOURCE -DGATEHOUSE_VERSION=\\\"\\\" -DGATEHOUSE_TEST \
                        $(WARN) $(PKG_CFLAGS) -c "$$f"; \
                printf ']}'; sep=','; done; echo ']'; } >$@

# ---- installing ----
# Only asks apt for what is missing; without root it says what to run. Some packages bring a daemon (prometheus, etcd-server):
# a policy forbids to start it meanwhile (Debian Policy 9.3.3), unless this machine has one already, nor does it start at boot.
POLICY := /usr/sbin/policy-rc.d
define install
	@missing=$$(for p in $(1); do \
                dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
        if [ -n "$$missing" ]; then \
                if [ "$$(id -u)" = 0 ]; then \
                        [ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; \
                                printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod +x $(POLICY); }; \
                        apt-get update -qq && \
                        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing && \
                        for d in prometheus etcd; do case "$$missing" in *$$d*) update-rc.d $$d disable ;; esac; done; \
                else \
                        echo "missing packages; run: sudo apt-get install" $$missing >&2; exit 1; \
                fi; \
        fi
endef
# A kubectl that is on PATH is the one that is used, whichever it is.
deps: ## install what `make test` needs and is missing (Debian 12)
	$(call install,$(PACKAGES) $(if $(shell command -v kubectl),,kubernetes-client))
deps-lint: ## what `make lint` and `make fuzz` need besides
	$(call install,$(LINT_PACKAGES))
# Debian's source of kube-apiserver: a sources file of its own, and only when there is none yet.
DEB_SRC := /etc/apt/sources.list.d/gatehouse-src.sources
deps-e2e: ## what `make e2e` needs besides
ifndef KUBEBUILDER_ASSETS
	$(call install,$(E2E_PACKAGES))
	@[ -e "$${XDG_CACHE_HOME:-$$HOME/.cache}/gatehouse/kube-apiserver-1.20.2" ] \
                || apt-cache showsrc kubernetes >/dev/null 2>&1 || { \
                [ "$$(id -u)" = 0 ] || { echo "no source packages; run as root: make deps-e2e" >&2; exit 1; }; \
                printf '%s\n' 'Types: deb-src' 'URIs: http://deb.debian.org/debian' 'Suites: bookworm' 'Components: main' \
                        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >$(DEB_SRC); \
                apt-get update -qq; }
endif

hooks: ## once: from now on check format and layers before each commit
	@git config core.hooksPath .ci/hooks && echo "hooks: on"
clean: ## remove all that was built
	rm -rf $(B) compile_commands.json
help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
