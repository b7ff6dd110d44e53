# hearth_embed(TARGET OUT.h SYMBOL FILE...) gives TARGET a header with the files' texts: an array hearth::SYMBOL of
# {name, text}, made anew when a file changes. As a script (cmake -P) it writes that header.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "// Made by cmake/embed.cmake.\n#pragma once\n\n#include <string_view>\n\nnamespace hearth {\n\n")
  string(APPEND text "struct ${SYMBOL}_file {\n  std::string_view name, text;\n};\n\ninline constexpr ${SYMBOL}_file ${SYMBOL}[] = {\n")
  string(REPLACE "|" ";" files "${FILES}")
  foreach(file ${files})
    get_filename_component(name ${file} NAME)
    file(READ ${file} content)
    string(APPEND text "    {\"${name}\", R\"__embedded__(${content})__embedded__\"},\n")
  endforeach()
  string(APPEND text "};\n\n}  // namespace hearth\n")
  file(WRITE ${OUT} "${text}")
  return()
endif()

function(hearth_embed target out symbol)
  set(folder ${CMAKE_BINARY_DIR}/embedded)
  list(JOIN ARGN "|" files)
  add_custom_command(
    OUTPUT ${folder}/${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${folder}/${out} -DSYMBOL=${symbol} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${folder}/${out})
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
