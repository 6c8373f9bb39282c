// Wants a function that no node offers.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE

extern "C" __attribute__((import_module("env"), import_name("open_file"))) int32_t open_file(int32_t);

Decision inspect(const Request&) { return open_file(0) == 0 ? allow() : block("open-file", "No file"); }
