# libhearth: the C ABI of include/hearth/hearth.h with all rooms below it, shared and static; and what `make install` puts
# where. Nothing but the functions of include/hearth/symbols.txt is visible in the shared one.
include(GNUInstallDirs)

target_include_directories(hearth_capi PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(hearth_capi PRIVATE HEARTH_BUILDING)
target_compile_options(hearth_capi PRIVATE -fvisibility=hidden)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/capi/library.cpp TARGET_DIRECTORY hearth_capi PROPERTIES COMPILE_DEFINITIONS
  "HEARTH_VERSION=\"${PROJECT_VERSION}\";HEARTH_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\";HEARTH_SYSTEM=\"${CMAKE_SYSTEM_NAME} ${CMAKE_SYSTEM_PROCESSOR}\"")

file(STRINGS ${CMAKE_SOURCE_DIR}/include/hearth/symbols.txt symbols)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/hearth/symbols.txt
  ${CMAKE_SOURCE_DIR}/include/hearth/hearth.h)
list(JOIN symbols ";\n    " symbols)
file(CONFIGURE OUTPUT libhearth.map @ONLY CONTENT "HEARTH_${PROJECT_VERSION_MAJOR} {\n  global:\n    @symbols@;\n  local:\n    *;\n};\n")

file(CONFIGURE OUTPUT libhearth.c CONTENT "extern int hearth_library_is_made_of_archives;\n")
add_library(hearth_shared SHARED ${CMAKE_BINARY_DIR}/libhearth.c)
target_link_libraries(hearth_shared PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,hearth_capi>)
target_include_directories(hearth_shared INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_link_options(hearth_shared PRIVATE -Wl,--version-script=${CMAKE_BINARY_DIR}/libhearth.map)
if(NOT HEARTH_SANITIZE)
  target_link_options(hearth_shared PRIVATE -Wl,--no-undefined -Wl,--gc-sections)
endif()
set_target_properties(hearth_shared PROPERTIES OUTPUT_NAME hearth LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${CMAKE_BINARY_DIR}/libhearth.map)

# All rooms that `room` stands on, itself first.
function(hearth_closure room result)
  set(all ${room})
  get_target_property(libraries ${room} LINK_LIBRARIES)
  foreach(library ${libraries})
    if(library MATCHES "^hearth_" AND NOT library IN_LIST all)
      hearth_closure(${library} below)
      list(APPEND all ${below})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES all)
  set(${result} ${all} PARENT_SCOPE)
endfunction()
hearth_closure(hearth_capi rooms)
set(script "CREATE ${CMAKE_BINARY_DIR}/libhearth.a\n")
set(archives)
foreach(room ${rooms})
  get_target_property(type ${room} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    string(APPEND script "ADDLIB $<TARGET_FILE:${room}>\n")
    list(APPEND archives ${room})
  endif()
endforeach()
file(GENERATE OUTPUT libhearth.mri CONTENT "${script}SAVE\nEND\n")
add_custom_command(OUTPUT libhearth.a COMMAND ${CMAKE_COMMAND} -E rm -f libhearth.a
  COMMAND ${CMAKE_AR} -M < libhearth.mri DEPENDS ${archives} ${CMAKE_BINARY_DIR}/libhearth.mri VERBATIM)
add_custom_target(hearth_static ALL DEPENDS libhearth.a)

# Relative to where the files lie, so that an installed tree can be moved.
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_SOURCE_DIR}/cmake/hearth.pc.in hearth.pc @ONLY)
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/cmake/OpenHearth /)
configure_file(${CMAKE_SOURCE_DIR}/cmake/OpenHearthConfig.cmake.in OpenHearthConfig.cmake @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(OpenHearthConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS hearth_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET hearth)
  install(TARGETS hearth RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES ${CMAKE_BINARY_DIR}/libhearth.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/hearth/hearth.h include/hearth/hearth.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/hearth)
install(FILES ${CMAKE_BINARY_DIR}/hearth.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/OpenHearthConfig.cmake ${CMAKE_BINARY_DIR}/OpenHearthConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/OpenHearth)
