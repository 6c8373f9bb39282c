// The words of our HTTP APIs (http/) as the node's API uses them, and what it adds to them.
//
// Thread safety: free functions without state.
#pragma once

#include "secbeat/agent/reloader.hpp"
#include "secbeat/http/access.hpp"
#include "secbeat/http/form.hpp"
#include "secbeat/http/message.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/http/schema.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::agent {

using http::Access;
using http::BodyKind;
using http::BodyLimits;
using http::Caller;
using http::check_configuration;
using http::DocumentType;
using http::error_response;
using http::Form;
using http::HttpRequest;
using http::HttpResponse;
using http::Input;
using http::Json;
using http::json_response;
using http::Lane;
using http::Member;
using http::names_of;
using http::OrRefusal;
using http::Pairs;
using http::plain_text_length;
using http::read_any_form;
using http::read_limit;
using http::read_multipart;
using http::read_since;
using http::refuse;
using http::Route;
using http::Schema;
using http::shown;
using http::take;
using http::take_boolean;
using http::take_text;
using http::whole_number;

// For the history.
inline Origin origin_of(const HttpRequest& request) {
  return {request.caller.name, request.request_id, request.caller.address};
}

// The parameters `limit` and `before`.
inline OrRefusal<Page> read_page(const HttpRequest& request) {
  const auto limit = http::read_limit(request);
  if (!limit) return std::unexpected(limit.error());
  const auto before = http::read_before(request);
  if (!before) return std::unexpected(before.error());
  return Page{.limit = *limit, .before = *before};
}

}  // namespace secbeat::agent
