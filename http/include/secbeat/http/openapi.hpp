// /openapi.json: a table of routes and the descriptions of its documents as OpenAPI 3.1.
//
// Thread safety: a free function without state.
#pragma once

#include "secbeat/http/route.hpp"

namespace secbeat::http {

Json openapi_document(const Service& service);

}  // namespace secbeat::http
