# The rooms of the house, from the ground up. USES names the only neighbours a room may include
# (tools/check_rooms.py reads this file and every #include); LIBS are libraries from outside.
#
# A room's sources are all .cpp files below src/NAME; a file below src/kernels/isa/ is compiled with
# the flags of its instruction set.

include(cmake/embed.cmake)

function(hearth_room name)
  cmake_parse_arguments(ROOM "" "" "USES;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "src/cli/main.cpp$")
  if(NOT sources)
    add_library(hearth_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(hearth_${name} STATIC ${sources})
    set(scope PUBLIC)
  endif()
  target_include_directories(hearth_${name} ${scope} ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM ROOM_USES PREPEND hearth_)
  target_link_libraries(hearth_${name} ${scope} ${ROOM_USES} ${ROOM_LIBS})
endfunction()

hearth_room(base     LIBS fmt::fmt Threads::Threads)
hearth_room(tensor   USES base)
# Formats are defined to the last bit: no product may be fused with a sum, on any processor.
target_compile_options(hearth_tensor PRIVATE -ffp-contract=off)
hearth_room(kernels  USES base tensor)
hearth_room(gguf     USES base tensor LIBS nlohmann_json::nlohmann_json)
hearth_room(ops      USES base tensor kernels)
hearth_room(text     USES base gguf tensor LIBS nlohmann_json::nlohmann_json PkgConfig::PCRE2 PkgConfig::UTF8PROC)
hearth_room(model    USES base tensor ops gguf)
hearth_room(convert  USES base tensor gguf text model LIBS nlohmann_json::nlohmann_json)
hearth_room(sample   USES base text LIBS nlohmann_json::nlohmann_json PkgConfig::UTF8PROC)
hearth_room(engine   USES base tensor gguf ops text model sample)
hearth_room(evaluate USES base tensor kernels gguf ops text model engine LIBS nlohmann_json::nlohmann_json)
file(GLOB task_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tasks/*.json)
hearth_embed(hearth_evaluate embedded_tasks.h embedded_tasks ${task_files})
hearth_room(compress USES base tensor kernels gguf ops text model)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/compress/quantize.cpp TARGET_DIRECTORY hearth_compress
  PROPERTIES COMPILE_DEFINITIONS HEARTH_VERSION="${PROJECT_VERSION}")
if(HEARTH_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # it suspects std::regex where it is sanitized (bug 105562)
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/compress/mixture.cpp TARGET_DIRECTORY hearth_compress
    PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
endif()
hearth_room(report   USES base tensor kernels gguf text model engine evaluate compress LIBS nlohmann_json::nlohmann_json)
hearth_room(hub      USES base gguf)
hearth_room(capi     USES base kernels gguf text model sample engine LIBS nlohmann_json::nlohmann_json)
hearth_room(cli      USES base tensor kernels gguf ops text model convert sample engine evaluate compress report hub LIBS CLI11::CLI11 PkgConfig::EDIT)

target_compile_options(hearth_cli PRIVATE -O1)  # a door: its compile time is what costs

# Each instruction set has its own flags; nothing outside src/kernels/isa/ may need them.
function(hearth_isa pattern)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/isa/${pattern}*.cpp)
  if(HEARTH_SANITIZE)  # -O3 and checks of every sum are many minutes of compiling; addresses stay checked
    list(REMOVE_ITEM ARGN -O3)
    list(APPEND ARGN -fno-sanitize=undefined)
  endif()
  list(APPEND ARGN -fno-exceptions)  # kernels throw none, and what unwinds them would be a symbol for all
  # GCC 12 warns of its own AVX-512 intrinsics (bug 105593).
  list(APPEND ARGN $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  set_source_files_properties(${files} TARGET_DIRECTORY hearth_kernels PROPERTIES COMPILE_OPTIONS "${ARGN}")
endfunction()
hearth_isa(avx2 -mavx2 -mfma -mf16c -mbmi2 -O3)
hearth_isa(avx_vnni -mavx2 -mfma -mf16c -mbmi2 -mavxvnni -O3)
hearth_isa(avx512 -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -O3)
hearth_isa(avx512_bf16 -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -O3)
hearth_isa(amx -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mamx-tile -mamx-bf16 -O3)
# Encoders write the same bytes on every processor: no product may be fused with a sum.
file(GLOB encoders CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/isa/*_encode.cpp)
set_property(SOURCE ${encoders} TARGET_DIRECTORY hearth_kernels APPEND PROPERTY COMPILE_OPTIONS -ffp-contract=off)

include(cmake/emulated.cmake)

file(GLOB main CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/main.cpp)
if(main)
  add_executable(hearth ${CMAKE_SOURCE_DIR}/src/cli/main.cpp)
  target_link_libraries(hearth PRIVATE hearth_cli)
  target_compile_definitions(hearth PRIVATE HEARTH_VERSION="${PROJECT_VERSION}")
endif()
