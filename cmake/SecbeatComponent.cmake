# One shape for every component:
#
#   secbeat_component(engine
#     HEADERS include/secbeat/engine/engine.hpp …
#     SOURCES src/engine.cpp …
#     PUBLIC  secbeat::base           # what its headers need
#     PRIVATE nlohmann_json::nlohmann_json)
#   secbeat_test(engine SOURCES src/engine_test.cpp LIBRARIES …)
#
# Each public header is compiled on its own (verify_interface_header_sets).
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

function(secbeat_component name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target secbeat_${name})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
    target_link_libraries(${target} PUBLIC ${ARG_PUBLIC} PRIVATE secbeat_flags ${ARG_PRIVATE})
    target_include_directories(${target} PRIVATE src)
  else()
    add_library(${target} INTERFACE)
    target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
    target_link_libraries(${target} INTERFACE ${ARG_PUBLIC})
  endif()
  add_library(secbeat::${name} ALIAS ${target})
endfunction()

# A GoogleTest binary <component>_test; every TEST in it is a CTest test of its own.
include(GoogleTest)
function(secbeat_test component)
  cmake_parse_arguments(ARG "" "LABELS" "SOURCES;LIBRARIES" ${ARGN})
  set(target ${component}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE secbeat_flags ${ARG_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${target} PRIVATE src)
  target_compile_definitions(${target} PRIVATE
    SECBEAT_GUESTS_DIR="${SECBEAT_GUESTS_DIR}" SECBEAT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(TARGET secbeat_guests)
    add_dependencies(${target} secbeat_guests)
  endif()
  if(NOT ARG_LABELS)  # an empty value would make the next word a label
    set(ARG_LABELS unit)
  endif()
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${ARG_LABELS} TIMEOUT 300)
  add_dependencies(secbeat_unit_tests ${target})
  if("concurrent" IN_LIST ARG_LABELS)  # these run under ThreadSanitizer as well
    add_dependencies(secbeat_concurrent_tests ${target})
  endif()
endfunction()
add_custom_target(secbeat_unit_tests)
add_custom_target(secbeat_concurrent_tests)
add_custom_target(secbeat_fuzzers)

# A libFuzzer target fuzz_<name>; its first inputs are in fuzz/corpus/<name>/.
function(secbeat_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT SECBEAT_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE secbeat_flags ${ARG_LIBRARIES})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(secbeat_fuzzers fuzz_${name})
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
