# Debian's packages, by the names that their CMake or pkg-config files give. deps/versions.env pins what
# has a version to choose; the rest is what Debian 12 has.
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/deps/versions.env SECBEAT_PINS REGEX "^[A-Z_]+=")
foreach(pin IN LISTS SECBEAT_PINS)
  string(REGEX MATCH "^([A-Z_]+)=(.*)$" _ "${pin}")
  set(PIN_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(EXPAT REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(gnutls REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(nats REQUIRED IMPORTED_TARGET libnats)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
find_package(SQLiteCpp REQUIRED)

# OpenSSL's hashes without its shared library, for what starts often.
find_library(SECBEAT_LIBCRYPTO_STATIC NAMES libcrypto.a REQUIRED)
add_library(secbeat_libcrypto_static STATIC IMPORTED)
set_target_properties(secbeat_libcrypto_static PROPERTIES
  IMPORTED_LOCATION ${SECBEAT_LIBCRYPTO_STATIC} INTERFACE_LINK_LIBRARIES "Threads::Threads;dl")

# Wasmtime, built once for this user by deps/wasmtime/build.sh.
foreach(variant compiler runtime)
  execute_process(
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/deps/wasmtime/build.sh ${variant}
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  add_library(secbeat_wasmtime_${variant} STATIC IMPORTED)
  set_target_properties(secbeat_wasmtime_${variant} PROPERTIES
    IMPORTED_LOCATION ${folder}/lib/libsecbeat_wasmtime.a
    INTERFACE_LINK_LIBRARIES "Threads::Threads;dl;m")
  set(SECBEAT_WASMTIME_INCLUDE ${folder}/include)
endforeach()
