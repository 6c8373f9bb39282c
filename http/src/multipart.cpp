#include "secbeat/http/multipart.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace secbeat::http {
namespace {

constexpr std::string_view kCrlf = "\r\n";

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 9110, section 5.6.2.
bool is_token_char(char c) {
  return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// RFC 2046, section 5.1.1.
bool is_boundary_char(char c) {
  return is_alphanumeric(c) || std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::unexpected<Error> malformed(std::size_t offset, std::string_view what) {
  return fail(ErrorCode::kBadMultipart, fmt::format("Malformed multipart body at byte {}: {}", offset, what));
}

struct Parameter {
  std::string name;  // lower case
  std::string value;
};

// Reads "value; name=value; name="quoted"" from left to right. Its errors are "<what>", to which the caller
// adds where.
class ParameterReader {
 public:
  explicit ParameterReader(std::string_view text) : text_(text) {}

  [[nodiscard]] std::size_t position() const { return at_; }

  // The leading value, such as "form-data": all up to the first ';', without the spaces around it.
  std::string_view value() {
    const std::size_t end = std::min(text_.find(';'), text_.size());
    std::string_view leading = text_.substr(0, end);
    at_ = end;
    while (!leading.empty() && (leading.back() == ' ' || leading.back() == '\t')) leading.remove_suffix(1);
    return leading;
  }

  // Empty optional at the end.
  std::expected<std::optional<Parameter>, std::string> next() {
    skip_space();
    if (at_ == text_.size()) return std::nullopt;
    if (text_[at_] != ';') return std::unexpected("expected ';' between parameters");
    ++at_;
    skip_space();
    Parameter parameter;
    while (at_ < text_.size() && is_token_char(text_[at_])) parameter.name += lower(text_[at_++]);
    if (parameter.name.empty()) return std::unexpected("expected the name of a parameter");
    if (at_ == text_.size() || text_[at_] != '=') return std::unexpected("expected '=' after a parameter's name");
    ++at_;
    auto value = at_ < text_.size() && text_[at_] == '"' ? quoted() : bare();
    if (!value) return std::unexpected(value.error());
    parameter.value = std::move(*value);
    return parameter;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  std::expected<std::string, std::string> quoted() {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return value;
      }
      // Only these two are escapes: a browser's file name may hold a lone backslash.
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\')) ++at_;
      value += text_[at_];
    }
    return std::unexpected("a quoted value does not end");
  }

  // A token, or a boundary with characters that should have been quoted but cannot be misread.
  std::expected<std::string, std::string> bare() {
    std::string value;
    while (at_ < text_.size() && (is_token_char(text_[at_]) || (is_boundary_char(text_[at_]) && text_[at_] != ' '))) {
      value += text_[at_++];
    }
    if (value.empty()) return std::unexpected("a parameter has no value");
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

class MultipartParser {
 public:
  MultipartParser(std::string_view body, std::string_view boundary)
      : body_(body), delimiter_(fmt::format("\r\n--{}", boundary)) {}

  Result<std::vector<Part>> parse() {
    // The first delimiter needs no line before it; an empty one is what RFC 2046 clients send there.
    const std::string_view first = std::string_view(delimiter_).substr(kCrlf.size());
    if (body_.starts_with(kCrlf)) at_ = kCrlf.size();
    if (!body_.substr(at_).starts_with(first)) {
      return malformed(at_, "expected the boundary that Content-Type names");
    }
    at_ += first.size();
    std::vector<Part> parts;
    for (;;) {
      const std::string_view rest = body_.substr(at_);
      if (rest.starts_with("--")) return finish(std::move(parts));
      if (!rest.starts_with(kCrlf)) return malformed(at_, "expected a line break or \"--\" after a boundary");
      at_ += kCrlf.size();
      if (parts.size() == kMaxParts) return malformed(at_, fmt::format("more than {} parts", kMaxParts));
      auto part = next_part();
      if (!part) return std::unexpected(part.error());
      parts.push_back(std::move(*part));
    }
  }

 private:
  Result<std::vector<Part>> finish(std::vector<Part> parts) {
    at_ += 2;
    if (body_.substr(at_).starts_with(kCrlf)) at_ += kCrlf.size();
    if (at_ != body_.size()) return malformed(at_, "bytes after the closing boundary");
    if (parts.empty()) return malformed(at_, "there is no part");
    return parts;
  }

  Result<Part> next_part() {
    Part part;
    if (auto headers = read_headers(part); !headers) return std::unexpected(headers.error());
    // Read by RFC 2046's grammar this is a part without a body, read as most do it is the body's text.
    if (body_.substr(at_).starts_with(std::string_view(delimiter_).substr(kCrlf.size()))) {
      return malformed(at_, "a boundary where a part's body begins");
    }
    const std::size_t found = body_.find(delimiter_, at_);
    if (found == std::string_view::npos) {
      return malformed(body_.size(), "the body ends before the closing boundary");
    }
    part.body = body_.substr(at_, found - at_);
    at_ = found + delimiter_.size();
    return part;
  }

  Result<void> read_headers(Part& part) {
    const std::size_t begin = at_;
    bool has_disposition = false;
    for (std::size_t count = 0;; ++count) {
      const std::size_t line_begin = at_;
      const std::string_view window = body_.substr(at_, kMaxPartHeaderBytes - (at_ - begin));
      const std::size_t end = window.find(kCrlf);
      if (end == std::string_view::npos) {
        if (window.size() == body_.size() - at_)
          return malformed(body_.size(), "the body ends within a part's headers");
        return malformed(at_, fmt::format("a part's headers are longer than {} bytes", kMaxPartHeaderBytes));
      }
      at_ += end + kCrlf.size();
      if (end == 0) break;
      if (count == kMaxPartHeaders) {
        return malformed(line_begin, fmt::format("a part has more than {} headers", kMaxPartHeaders));
      }
      if (auto read = read_header(window.substr(0, end), line_begin, part, has_disposition); !read) return read;
    }
    if (!has_disposition) return malformed(begin, "a part has no Content-Disposition");
    return {};
  }

  Result<void> read_header(std::string_view line, std::size_t offset, Part& part, bool& has_disposition) {
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, std::min(colon, line.size()));
    if (colon == std::string_view::npos || name.empty() || !std::ranges::all_of(name, is_token_char)) {
      return malformed(offset, "expected a header line \"Name: value\"");
    }
    std::size_t skip = colon + 1;
    while (skip < line.size() && (line[skip] == ' ' || line[skip] == '\t')) ++skip;
    const std::string_view value = line.substr(skip);
    if (has_control_characters(value)) return malformed(offset, "a control character in a header");
    if (equal_ignoring_case(name, "Content-Disposition")) {
      if (has_disposition) return malformed(offset, "a part has two Content-Disposition headers");
      has_disposition = true;
      return read_disposition(value, offset + skip, part);
    }
    if (equal_ignoring_case(name, "Content-Transfer-Encoding") && !equal_ignoring_case(value, "binary") &&
        !equal_ignoring_case(value, "8bit") && !equal_ignoring_case(value, "7bit")) {
      return malformed(offset, "Content-Transfer-Encoding is not supported; send the bytes as they are");
    }
    return {};  // RFC 7578, section 4.8: other headers are ignored
  }

  static Result<void> read_disposition(std::string_view value, std::size_t offset, Part& part) {
    ParameterReader reader(value);
    if (!equal_ignoring_case(reader.value(), "form-data")) {
      return malformed(offset, "expected Content-Disposition: form-data");
    }
    bool has_name = false;
    for (;;) {
      auto parameter = reader.next();
      if (!parameter) return malformed(offset + reader.position(), parameter.error());
      if (!*parameter) break;
      auto& [key, text] = **parameter;
      if (key == "name") {
        if (has_name) return malformed(offset, "a part has two names");
        has_name = true;
        if (text.empty() || text.size() > kMaxPartNameBytes) {
          return malformed(offset, fmt::format("a part's name must have 1 to {} bytes", kMaxPartNameBytes));
        }
        part.name = std::move(text);
      } else if (key == "filename") {
        if (part.filename) return malformed(offset, "a part has two file names");
        part.filename = std::move(text);
      }
    }
    if (!has_name) return malformed(offset, "a part has no name");
    return {};
  }

  std::string_view body_;
  std::string delimiter_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  ParameterReader reader(content_type);
  if (!equal_ignoring_case(reader.value(), "multipart/form-data")) {
    return fail(ErrorCode::kUnsupportedMediaType, "Content-Type is not multipart/form-data");
  }
  const auto bad = [](std::string_view what) {
    return fail(ErrorCode::kBadMultipart, fmt::format("Malformed Content-Type: {}", what));
  };
  std::optional<std::string> boundary;
  for (;;) {
    auto parameter = reader.next();
    if (!parameter) return bad(parameter.error());
    if (!*parameter) break;
    if ((*parameter)->name != "boundary") continue;
    if (boundary) return bad("boundary is given twice");
    boundary = std::move((*parameter)->value);
  }
  if (!boundary) return bad("multipart/form-data has no boundary");
  if (boundary->empty() || boundary->size() > kMaxBoundaryBytes || boundary->back() == ' ' ||
      !std::ranges::all_of(*boundary, is_boundary_char)) {
    return bad(fmt::format("the boundary must be 1 to {} characters of RFC 2046", kMaxBoundaryBytes));
  }
  return std::move(*boundary);
}

Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary) {
  return MultipartParser(body, boundary).parse();
}

}  // namespace secbeat::http
