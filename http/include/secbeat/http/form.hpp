// The fields of a request's body or query, whichever way they are written. What is not known is refused, never
// ignored: a misspelt `expcted_version` must not reload.
//
// Thread safety: free functions without state; a Form is a value.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "secbeat/http/message.hpp"

namespace secbeat::http {

using Form = std::map<std::string, std::string, std::less<>>;

// The media type of a Content-Type value, in lower case, without parameters.
std::string media_type(std::string_view content_type);

// Each field at most once, each one of `known`.
OrRefusal<Form> read_multipart(const HttpRequest& request, std::span<const std::string_view> known);
// JSON object of strings (null: not given), form or multipart, by Content-Type; an empty body has no fields.
OrRefusal<Form> read_any_form(const HttpRequest& request, std::span<const std::string_view> known);
// That the text is JSON in UTF-8: bad_config_json otherwise, with the place.
OrRefusal<void> check_configuration(std::string_view text);
// The query parameters: known and given once.
OrRefusal<void> check_query(const HttpRequest& request, std::span<const std::string_view> known);

// The field, moved out of the form.
std::optional<std::string> take(Form& form, std::string_view name);
// A field that is text for people or a name: UTF-8 without control characters, not empty, at most `limit` bytes.
OrRefusal<std::optional<std::string>> take_text(Form& form, std::string_view name, std::size_t limit);
// "true" or "false", nothing else; false where it is not given.
OrRefusal<bool> take_boolean(Form& form, std::string_view name);

inline constexpr std::uint32_t kUsualLimit = 50;
// The parameter `limit`, of rows of a page.
OrRefusal<std::uint32_t> read_limit(const HttpRequest& request);
// The parameter `before`: the id of a row.
OrRefusal<std::optional<std::int64_t>> read_before(const HttpRequest& request);
// Moments such as 2025-11-24T01:00:03Z, 2025-11-24T01:00:03.5+01:00, or seconds back from `now`.
OrRefusal<SystemTime> read_since(std::string_view text, SystemTime now);

}  // namespace secbeat::http
