# cmake -DVERSION=… -DSOURCE=… -DOUTPUT=… -P WriteBuildId.cmake
#
# Which build this is: the version, and in a checkout the commit, and with changes a hash of them. Written only where it
# differs, so that nothing is built again for the same.
set(BUILD_ID ${VERSION})
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE no_checkout)
if(NOT no_checkout)
  string(APPEND BUILD_ID "+${commit}")
  execute_process(COMMAND git -C ${SOURCE} diff HEAD OUTPUT_VARIABLE changes ERROR_QUIET)
  if(changes)
    string(SHA256 hash "${changes}")
    string(SUBSTRING ${hash} 0 8 hash)
    string(APPEND BUILD_ID ".${hash}")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include "secbeat/base/build_id.hpp"

namespace secbeat {

std::string_view build_id() noexcept { return "@BUILD_ID@"; }

}  // namespace secbeat
]] @ONLY)
