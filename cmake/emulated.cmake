# For machines without AVX-512: its kernels by emulation, so that tests can hold them to account (make test-emulated).
# HEARTH_EMULATE_AVX512 is the folder that holds simde/, whose headers are the emulation. Never for use: it is slow.
set(HEARTH_EMULATE_AVX512 "" CACHE PATH "run AVX-512 kernels by emulation, in tests: the folder that holds simde/")
if(HEARTH_EMULATE_AVX512)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/isa/avx512*.cpp)
  set_source_files_properties(${files} TARGET_DIRECTORY hearth_kernels PROPERTIES COMPILE_OPTIONS
    "-mavx2;-mfma;-mf16c;-mbmi2;-O2;-w;-Wno-psabi;-isystem;${HEARTH_EMULATE_AVX512};-include;${CMAKE_SOURCE_DIR}/tests/emulated/avx512.h")
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/base/cpu.cpp TARGET_DIRECTORY hearth_base PROPERTIES
    COMPILE_DEFINITIONS HEARTH_EMULATE_AVX512)
endif()
