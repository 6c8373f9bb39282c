# A rule module guests/<name>.wasm of C++ for wasm32, freestanding:
#
#   secbeat_add_guest(name SOURCES file.cpp … [DEFINES NAME="value" …] [LINK_OPTIONS -Wl,… …] [GROUP target]
#     [FAST file.cpp …])
#
# Sources after FAST are compiled for speed instead of size. It is built with secbeat_guests, which every build makes, or with GROUP only.
# This file is also part of the SDK that is installed (guests/sdk), whose configuration sets what differs there.
# The only place that knows the flags. -Oz -flto -msimd128 makes the smallest modules, which stage fastest in
# the node; docs/abi.md has the figures, also of what it costs a call. --stack-first: a stack that overflows
# leaves the memory and traps, instead of writing over the data. Globals with constructors are errors: they
# would run before every call.
if(NOT SECBEAT_GUEST_CXX_NAMES)
  set(SECBEAT_GUEST_CXX_NAMES clang++-${PIN_GUEST_CLANG_MAJOR})
endif()
if(NOT SECBEAT_GUEST_INCLUDES)
  set(SECBEAT_GUEST_INCLUDES ${CMAKE_SOURCE_DIR}/abi/include ${CMAKE_SOURCE_DIR}/guests/sdk/include)
endif()
find_program(SECBEAT_GUEST_CXX NAMES ${SECBEAT_GUEST_CXX_NAMES} NAMES_PER_DIR)
set(SECBEAT_GUEST_COMPILE_FLAGS
  --target=wasm32 -std=c++23 -Oz -flto -msimd128 -mbulk-memory
  -Wall -Wextra -Wshadow -Wconversion -Wglobal-constructors -Wexit-time-destructors -Werror
  -ffreestanding -fno-exceptions -fno-rtti -fvisibility=hidden -fno-threadsafe-statics)
set(SECBEAT_GUEST_LINK_FLAGS
  --target=wasm32 -Oz -flto -nostdlib -fuse-ld=lld
  -Wl,--no-entry -Wl,--strip-debug -Wl,--fatal-warnings -Wl,--stack-first -Wl,-z,stack-size=65536)

# Every guest, each of which is the target guest_<name>. What runs modules depends on it; secbeat_test() does.
if(SECBEAT_GUESTS)
  add_custom_target(secbeat_guests ALL)
endif()

function(secbeat_add_guest name)
  cmake_parse_arguments(ARG "" "GROUP" "SOURCES;FAST;DEFINES;LINK_OPTIONS" ${ARGN})
  if(NOT ARG_GROUP)
    set(ARG_GROUP secbeat_guests)
  endif()
  if(NOT SECBEAT_GUESTS)
    return()
  endif()
  if(NOT SECBEAT_GUEST_CXX)
    message(FATAL_ERROR "clang++-${PIN_GUEST_CLANG_MAJOR} and lld-${PIN_GUEST_CLANG_MAJOR} are needed for guests: install "
      "the packages clang-${PIN_GUEST_CLANG_MAJOR} and lld-${PIN_GUEST_CLANG_MAJOR}")
  endif()
  list(TRANSFORM ARG_DEFINES PREPEND -D)
  list(TRANSFORM SECBEAT_GUEST_INCLUDES PREPEND -I OUTPUT_VARIABLE includes)
  set(objects)
  foreach(source IN LISTS ARG_SOURCES ARG_FAST)
    set(optimize)
    if(source IN_LIST ARG_FAST)
      set(optimize -O2)
    endif()
    set(object ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${name}.dir/${source}.o)
    cmake_path(GET object PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${SECBEAT_GUEST_CXX} ${SECBEAT_GUEST_COMPILE_FLAGS} ${optimize} ${ARG_DEFINES}
              ${includes} -MD -MF ${object}.d -MT ${object} -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d COMMENT "Guest object ${name}/${source}" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(output ${SECBEAT_GUESTS_DIR}/${name}.wasm)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${SECBEAT_GUESTS_DIR}
    COMMAND ${SECBEAT_GUEST_CXX} ${SECBEAT_GUEST_LINK_FLAGS} ${ARG_LINK_OPTIONS} ${objects} -o ${output}
    DEPENDS ${objects} COMMENT "Guest ${name}.wasm" VERBATIM)
  add_custom_target(guest_${name} DEPENDS ${output})
  add_dependencies(${ARG_GROUP} guest_${name})
endfunction()
