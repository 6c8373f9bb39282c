option(SECBEAT_WERROR "Warnings are errors (the dev and CI presets)" OFF)
option(SECBEAT_NGINX_MODULE "Build the nginx module (off where nginx itself is not instrumented)" ON)
option(SECBEAT_GUESTS "Build the guests (needs clang and lld for wasm32)" ON)
option(SECBEAT_FUZZ "Build the libFuzzer targets (clang only)" OFF)
set(SECBEAT_SANITIZE "" CACHE STRING "Sanitizers, such as address,undefined or thread")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # the engine goes into a shared object
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

set(SECBEAT_BIN_DIR ${CMAKE_BINARY_DIR}/bin)
set(SECBEAT_LIBEXEC_DIR ${CMAKE_BINARY_DIR}/libexec)
set(SECBEAT_NGINX_DIR ${CMAKE_BINARY_DIR}/nginx)
set(SECBEAT_GUESTS_DIR ${CMAKE_BINARY_DIR}/guests)

find_program(SECBEAT_CCACHE ccache)
if(SECBEAT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${SECBEAT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SECBEAT_CCACHE})
endif()

# Flags of everything that is ours.
add_library(secbeat_flags INTERFACE)
target_compile_options(secbeat_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
  -ffunction-sections -fdata-sections
  $<$<BOOL:${SECBEAT_WERROR}>:-Werror>)
target_compile_definitions(secbeat_flags INTERFACE SECBEAT_VERSION="${PROJECT_VERSION}")
target_link_options(secbeat_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now)
if(SECBEAT_SANITIZE)
  add_compile_options(-fsanitize=${SECBEAT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SECBEAT_SANITIZE})
  # For tests: shadow memory exceeds any sensible limit, and AddressSanitizer keeps what is freed. Compilers tell this
  # in different ways.
  string(REGEX MATCH "address|thread" sanitizer "${SECBEAT_SANITIZE}")
  string(TOUPPER "SECBEAT_SANITIZED_${sanitizer}" sanitizer)
  add_compile_definitions(${sanitizer})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # g++ 12 with sanitizers takes libstdc++'s own <regex> for uninitialised
    target_compile_options(secbeat_flags INTERFACE -Wno-maybe-uninitialized)
  else()  # clang sees libstdc++ 12's own stable_sort() use what it deprecates
    target_compile_options(secbeat_flags INTERFACE -Wno-deprecated-declarations)
  endif()
endif()
if(SECBEAT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
