#include "secbeat/http/form.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "secbeat/http/multipart.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::http {
namespace {

constexpr std::uint32_t kMaxLimit = 1000;
constexpr std::size_t kMaxReason = 200;  // of the JSON library's sentence, which quotes what it read last
constexpr std::int64_t kMaxSecondsBack = 366LL * 24 * 3600;

HttpResponse unknown_field(std::string_view what, std::string_view name, std::span<const std::string_view> known) {
  const std::string advice =
      known.empty() ? std::string("there are none here") : fmt::format("known are {}", fmt::join(known, ", "));
  return error_response({ErrorCode::kUnknownField, fmt::format("Unknown {} \"{}\"; {}", what, shown(name), advice)},
                        {{"field", name}, {"known", known}});
}

HttpResponse given_twice(ErrorCode code, std::string_view what, std::string_view name) {
  return error_response({code, fmt::format("The {} \"{}\" is given twice", what, shown(name))}, {{"field", name}});
}

// Adds one field, or says why not.
OrRefusal<void> add(Form& form, ErrorCode if_twice, std::string_view what, std::string_view name, std::string value,
                    std::span<const std::string_view> known) {
  if (std::ranges::find(known, name) == known.end()) return std::unexpected(unknown_field(what, name, known));
  if (!form.emplace(std::string(name), std::move(value)).second)
    return std::unexpected(given_twice(if_twice, what, name));
  return {};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// application/x-www-form-urlencoded; `offset` is the text's place in the body.
OrRefusal<std::string> url_decode(std::string_view text, std::size_t offset) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return refuse(
            ErrorCode::kBadRequest,
            fmt::format("Malformed form at byte {}: '%' is not followed by two hexadecimal digits", offset + i));
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

OrRefusal<Form> read_url_encoded(std::string_view body, std::span<const std::string_view> known) {
  Form form;
  for (std::size_t begin = 0; begin <= body.size();) {
    const std::size_t end = std::min(body.find('&', begin), body.size());
    const std::string_view pair = body.substr(begin, end - begin);
    if (!pair.empty()) {
      const std::size_t equal = std::min(pair.find('='), pair.size());
      auto name = url_decode(pair.substr(0, equal), begin);
      if (!name) return std::unexpected(name.error());
      auto value = url_decode(pair.substr(std::min(equal + 1, pair.size())), begin + equal + 1);
      if (!value) return std::unexpected(value.error());
      if (auto added = add(form, ErrorCode::kBadRequest, "form field", *name, std::move(*value), known); !added) {
        return std::unexpected(added.error());
      }
    }
    begin = end + 1;
  }
  return form;
}

// "byte 8: syntax error …" of the library's "[json.exception.parse_error.101] parse error at line 1, column 9: syntax
// error …", whose last byte read counts from 1.
std::string place_and_reason(const Json::parse_error& error) {
  const std::string_view what = error.what();
  const std::size_t column = what.find("column");
  const std::size_t colon = column == std::string_view::npos ? column : what.find(": ", column);
  return fmt::format("byte {}: {}", error.byte > 0 ? error.byte - 1 : 0,
                     shown(colon == std::string_view::npos ? what : what.substr(colon + 2), kMaxReason));
}

bool is_number(const HttpRequest& request, std::string_view field) {
  return request.route != nullptr && std::ranges::any_of(request.route->fields, [&](const Input& input) {
           return input.name == field && input.schema.type == Schema::Type::kWhole;
         });
}

OrRefusal<Form> read_json(const HttpRequest& request, std::span<const std::string_view> known) {
  std::set<std::string> keys;
  std::optional<std::string> twice;
  const auto watch_keys = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 && !keys.insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  Json document;
  try {
    document = Json::parse(request.body, watch_keys);
  } catch (const Json::parse_error& error) {
    return refuse(ErrorCode::kBadJson, "Malformed JSON at " + place_and_reason(error));
  } catch (const Json::exception&) {
    return refuse(ErrorCode::kBadJson, "Malformed JSON: a number is out of range");
  }
  if (!document.is_object()) return refuse(ErrorCode::kBadJson, "The body must be a JSON object");
  if (twice) return std::unexpected(given_twice(ErrorCode::kBadJson, "JSON key", *twice));
  Form form;
  for (const auto& [key, value] : document.items()) {
    if (std::ranges::find(known, key) == known.end()) return std::unexpected(unknown_field("JSON key", key, known));
    if (value.is_null()) continue;
    if (is_number(request, key) && value.is_number_integer()) {
      form.emplace(key, value.dump());
      continue;
    }
    if (!value.is_string()) {
      return refuse(ErrorCode::kBadRequest,
                    fmt::format("\"{}\" must be a {}", key, is_number(request, key) ? "whole number" : "string"),
                    {{"field", key}});
    }
    form.emplace(key, value.get<std::string>());
  }
  return form;
}

}  // namespace

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type;
}

OrRefusal<Form> read_multipart(const HttpRequest& request, std::span<const std::string_view> known) {
  const auto boundary = multipart_boundary(request.header("content-type").value_or(""));
  if (!boundary) return std::unexpected(error_response(boundary.error()));
  const auto parts = parse_multipart(request.body, *boundary);
  if (!parts) return std::unexpected(error_response(parts.error()));
  Form form;
  for (const Part& part : *parts) {
    if (auto added = add(form, ErrorCode::kBadMultipart, "form field", part.name, std::string(part.body), known);
        !added) {
      return std::unexpected(added.error());
    }
  }
  return form;
}

OrRefusal<Form> read_any_form(const HttpRequest& request, std::span<const std::string_view> known) {
  if (request.body.empty()) return Form{};
  const std::string type = media_type(request.header("content-type").value_or(""));
  if (type == "application/json") return read_json(request, known);
  if (type == "application/x-www-form-urlencoded") return read_url_encoded(request.body, known);
  return read_multipart(request, known);
}

OrRefusal<void> check_configuration(std::string_view text) {
  const Json extra{{"field", "config"}};
  if (text.empty()) {
    return refuse(ErrorCode::kBadConfigJson,
                  "The configuration is empty; leave \"config\" out to keep the one in force", extra);
  }
  // The document is not kept: one that is only walked needs no memory for it.
  try {
    [[maybe_unused]] const Json nothing = Json::parse(text, [](int, Json::parse_event_t, Json&) { return false; });
  } catch (const Json::parse_error& error) {
    return refuse(ErrorCode::kBadConfigJson, "Malformed configuration at " + place_and_reason(error), extra);
  } catch (const Json::exception&) {
    return refuse(ErrorCode::kBadConfigJson, "Malformed configuration: a number is out of range", extra);
  }
  return {};
}

OrRefusal<void> check_query(const HttpRequest& request, std::span<const std::string_view> known) {
  Form seen;
  for (const auto& [name, value] : request.query) {
    if (auto added = add(seen, ErrorCode::kBadRequest, "query parameter", name, value, known); !added) return added;
  }
  return {};
}

std::optional<std::string> take(Form& form, std::string_view name) {
  const auto found = form.find(name);
  if (found == form.end()) return std::nullopt;
  return std::move(form.extract(found).mapped());
}

OrRefusal<std::optional<std::string>> take_text(Form& form, std::string_view name, std::size_t limit) {
  auto text = take(form, name);
  if (!text) return std::nullopt;
  const Json extra{{"field", name}};
  if (text->empty()) {
    return refuse(ErrorCode::kBadRequest, fmt::format("\"{}\" is empty; leave it out or give it a value", name), extra);
  }
  if (text->size() > limit) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("\"{}\" has {} bytes; at most {} are allowed", name, text->size(), limit), extra);
  }
  if (const std::size_t plain = plain_text_length(*text); plain < text->size()) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("\"{}\" is not plain UTF-8 text: byte {} is 0x{:02x}", name, plain,
                              static_cast<unsigned char>((*text)[plain])),
                  extra);
  }
  return text;
}

OrRefusal<bool> take_boolean(Form& form, std::string_view name) {
  const auto text = take(form, name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return refuse(ErrorCode::kBadRequest, fmt::format("\"{}\" must be true or false, not \"{}\"", name, shown(*text)),
                {{"field", name}});
}

OrRefusal<std::uint32_t> read_limit(const HttpRequest& request) {
  const auto text = request.parameter("limit");
  if (!text) return kUsualLimit;
  const auto limit = whole_number<std::uint32_t>(*text);
  if (limit && *limit >= 1 && *limit <= kMaxLimit) return *limit;
  return refuse(ErrorCode::kBadRequest,
                fmt::format("\"limit\" must be a whole number from 1 to {}, not \"{}\"", kMaxLimit, shown(*text)),
                {{"field", "limit"}});
}

OrRefusal<std::optional<std::int64_t>> read_before(const HttpRequest& request) {
  const auto text = request.parameter("before");
  if (!text) return std::nullopt;
  const auto before = whole_number<std::int64_t>(*text);
  if (before && *before >= 1) return before;
  return refuse(ErrorCode::kBadRequest, fmt::format("\"before\" must be the id of a row, not \"{}\"", shown(*text)),
                {{"field", "before"}});
}

OrRefusal<SystemTime> read_since(std::string_view text, SystemTime now) {
  if (const auto back = whole_number<std::int64_t>(text); back && *back >= 0 && *back <= kMaxSecondsBack) {
    return now - std::chrono::seconds(*back);
  }
  if (const auto moment = parse_rfc3339(text)) return *moment;
  return refuse(
      ErrorCode::kBadRequest,
      fmt::format("\"since\" must be a time such as 2025-11-24T01:00:03Z or up to {} seconds back, not \"{}\"",
                  kMaxSecondsBack, shown(text)),
      {{"field", "since"}});
}

}  // namespace secbeat::http
