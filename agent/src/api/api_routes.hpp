// The node's API as a table (secbeat/http/route.hpp): api_table.cpp.
//
// A new route:
//   1. its handler in api_handlers.hpp, and for an answer of a new shape its document in api_documents.cpp
//   2. one entry of the table: path, handler, summary, inputs, answers, errors (what every route of its kind can
//   answer, such
//      as 413, is added by itself: codes_of())
//   3. a line for each new error in api_contract_test.cpp, which provokes every code that a route names, and the call
//   in
//      docs/api.md
//
// Thread safety: free functions; the table is constant.
#pragma once

#include <span>

#include "api_handlers.hpp"
#include "api_http.hpp"

namespace secbeat::agent {

std::span<const Route> all_routes();
const http::Service& node_service();

}  // namespace secbeat::agent
