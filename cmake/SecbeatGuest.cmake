# secbeat_add_guest(name SOURCES file.cpp …): a rule module guests/<name>.wasm of C++ for wasm32, freestanding.
# The only place that knows the flags. -Oz -flto -msimd128: smallest, compiles fastest in the node and ran
# fastest of what was measured (docs/abi.md).
find_program(SECBEAT_GUEST_CXX clang++-${PIN_GUEST_CLANG_MAJOR})

function(secbeat_add_guest name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  if(NOT SECBEAT_GUESTS)
    return()
  endif()
  if(NOT SECBEAT_GUEST_CXX)
    message(FATAL_ERROR "clang++-${PIN_GUEST_CLANG_MAJOR} is needed for guests: run scripts/bootstrap.sh")
  endif()
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set(output ${SECBEAT_GUESTS_DIR}/${name}.wasm)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${SECBEAT_GUESTS_DIR}
    COMMAND ${SECBEAT_GUEST_CXX} --target=wasm32 -std=c++23 -Oz -flto -msimd128 -mbulk-memory
            -Wall -Wextra -Werror -ffreestanding -nostdlib -fno-exceptions -fno-rtti -fvisibility=hidden
            -fno-threadsafe-statics -fuse-ld=lld
            -I${CMAKE_SOURCE_DIR}/abi/include -I${CMAKE_SOURCE_DIR}/guests/sdk/include
            -Wl,--no-entry -Wl,--strip-debug -Wl,-z,stack-size=65536
            -MD -MF ${output}.d -MT ${output}
            ${ARG_SOURCES} -o ${output}
    DEPENDS ${ARG_SOURCES} DEPFILE ${output}.d
    COMMENT "Guest ${name}.wasm" VERBATIM)
  set_property(GLOBAL APPEND PROPERTY SECBEAT_GUEST_FILES ${output})
endfunction()
