# make run, make test: the two that matter. See README.md.
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
HEARTH := build/release/hearth
quiet := > build/.log 2>&1 || { cat build/.log >&2; exit 1; }

.PHONY: run build install models test test-release test-bindings test-sanitized test-fuzz test-emulated test-static bench bench-peers format lint clean

## run: build, fetch the default model, chat (or answer each line of stdin)
run:
	@scripts/setup
	@$(MAKE) build >&2
	@scripts/fetch-model smollm2-135m-instruct >/dev/null
	@exec $(HEARTH) chat smollm2-135m-instruct

## build: the program, at build/release/hearth
build:
	@mkdir -p build
	@[ -f build/release/build.ninja ] || { echo "configuring"; cmake --preset release -DHEARTH_TESTS=OFF $(quiet); }
	@cmake --build --preset release --target hearth -- --quiet $(quiet)

## install: the program, libhearth, hearth.h, pkg-config and CMake files, to DESTDIR and PREFIX (/usr/local)
PREFIX ?= /usr/local
install: build
	@cmake --build --preset release --target hearth_shared hearth_static -- --quiet $(quiet)
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

## models: the real models that tests use
models:
	@scripts/fetch-model --all

## test: everything that .ci/run checks
test:
	@scripts/setup --test
	@$(MAKE) models test-static test-release test-bindings test-sanitized test-fuzz

test-release:
	@cmake --preset release -DHEARTH_TESTS=ON >/dev/null && cmake --build --preset release -- --quiet
	@tools/check_kernel_objects.py build/release
	@ctest --preset release

# A sanitizer's shadow memory has fixed places, which kernels that shuffle addresses widely (vm.mmap_rnd_bits above 28) may take.
unshuffled := $(shell setarch -R true 2>/dev/null && echo setarch -R)
test-sanitized:
	@cmake --preset asan >/dev/null && cmake --build --preset asan -- --quiet
	@$(unshuffled) ctest --preset asan
	@cmake --preset tsan >/dev/null && cmake --build --preset tsan --target test_base --target test_engine --target test_capi -- --quiet
	@$(unshuffled) ctest --preset tsan

## test-emulated: AVX-512 kernels on a machine without AVX-512
test-emulated:
	@tests/emulated/run

## test-bindings: each language against bindings/conformance, one line each
test-bindings:
	@bindings/run

# Every fuzz target over its seed corpus and for ten seconds more.
test-fuzz:
	@cmake --preset fuzz >/dev/null && cmake --build --preset fuzz --target fuzzers -- --quiet
	@tools/run_fuzzers.py build/fuzz --seconds 10

test-static:
	@tools/check_rooms.py
	@tools/make_c_reference.py --check
	@git ls-files '*.cpp' '*.h' '*.c' '*.hpp' | xargs clang-format --dry-run --Werror

## bench: the default model's speed, and each operation's by itself, three minutes
bench:
	@$(MAKE) build >&2
	@cmake --build --preset release --target bench_matmul bench_attention -- --quiet >&2
	@$(HEARTH) bench "$$(scripts/fetch-model smollm2-135m-instruct)"
	@build/release/bench/bench_matmul && build/release/bench/bench_attention

# Ours beside llama.cpp and ik_llama.cpp, all formats, both levels: an hour or two on a quiet machine. Writes bench/speed/PROCESSOR.md.
bench-peers:
	@$(MAKE) build >&2
	@cmake --build --preset release --target random_model -- --quiet >&2
	@bench/peers.py $(PEERS)

format:
	@git ls-files '*.cpp' '*.h' '*.c' '*.hpp' | xargs clang-format -i

lint:
	@scripts/setup --lint
	@cmake --preset release -DHEARTH_TESTS=ON >/dev/null
	@git ls-files 'src/*.cpp' | xargs -P 2 -n 4 clang-tidy -p build/release --quiet --extra-arg=-Wno-unknown-warning-option

clean:
	@rm -rf build
