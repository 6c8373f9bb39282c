#include "s3_answers.hpp"

#include <expat.h>
#include <fmt/format.h>

#include <charconv>
#include <exception>
#include <functional>
#include <memory>

#include "archive_names.hpp"

namespace secbeat::archive {
namespace {

constexpr std::size_t kDeepestElement = 8;  // ListBucketResult/Contents/Owner/ID is three
constexpr std::size_t kMaxText = 4096;      // of one element: a key, a token, a message
constexpr std::size_t kMaxFilesOfPage = 10000;

// Reads elements one after the other: `leaf` gets the path of each ("ListBucketResult/Contents/Key") and its text,
// when it ends. A false answer ends the reading.
class XmlReader {
 public:
  using Leaf = std::function<bool(std::string_view path, std::string_view text)>;

  explicit XmlReader(Leaf leaf) : parser_(XML_ParserCreate("UTF-8"), XML_ParserFree), leaf_(std::move(leaf)) {}

  // Empty: read to its end. Else what is wrong.
  std::string read(std::string_view xml) {
    if (!parser_) return "there is no memory to read it";
    if (xml.size() > kMaxAnswerBytes) return "it is too long";
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &XmlReader::on_start, &XmlReader::on_end);
    XML_SetCharacterDataHandler(parser_.get(), &XmlReader::on_text);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &XmlReader::on_doctype);
    const auto status = XML_Parse(parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    if (!wrong_.empty()) return wrong_;
    if (status == XML_STATUS_OK) return {};
    return fmt::format("no XML in line {}", XML_GetCurrentLineNumber(parser_.get()));
  }

 private:
  static XmlReader& of(void* self) { return *static_cast<XmlReader*>(self); }

  void stop(std::string_view why) {
    if (wrong_.empty()) wrong_ = why;
    XML_StopParser(parser_.get(), XML_FALSE);
  }
  void start(std::string_view name) {
    if (!wrong_.empty()) return;
    if (ends_.size() >= kDeepestElement || name.size() > kMaxText) return stop("its elements nest too deep");
    ends_.push_back(path_.size());
    if (!path_.empty()) path_ += '/';
    path_ += name;
    text_.clear();
  }
  void end() {
    if (!wrong_.empty() || ends_.empty()) return;
    if (!leaf_(path_, text_)) return stop("it says what it should not");
    path_.resize(ends_.back());
    ends_.pop_back();
    text_.clear();
  }
  void text(std::string_view more) {
    if (!wrong_.empty()) return;
    if (text_.size() + more.size() > kMaxText) return stop("a text in it is too long");
    text_ += more;
  }

  // Expat is C: nothing is thrown through it.
  template <class Work>
  static void guarded(void* self, Work work) noexcept {
    try {
      work(of(self));
    } catch (const std::exception&) {
      of(self).has_no_memory();
    }
  }
  void has_no_memory() noexcept { XML_StopParser(parser_.get(), XML_FALSE); }
  static void on_start(void* self, const XML_Char* name, const XML_Char** /*attributes*/) {
    guarded(self, [name](XmlReader& reader) { reader.start(name); });
  }
  static void on_end(void* self, const XML_Char* /*name*/) {
    guarded(self, [](XmlReader& reader) { reader.end(); });
  }
  static void on_text(void* self, const XML_Char* text, int size) {
    guarded(self, [&](XmlReader& reader) { reader.text({text, static_cast<std::size_t>(size)}); });
  }
  static void on_doctype(void* self, const XML_Char* /*name*/, const XML_Char* /*system*/, const XML_Char* /*id*/,
                         int /*has_internal*/) {
    guarded(self, [](XmlReader& reader) { reader.stop("it has a document type"); });
  }

  std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser_;
  Leaf leaf_;
  std::string path_;
  std::vector<std::size_t> ends_;  // of path_, before each open element
  std::string text_;
  std::string wrong_;
};

bool read_size(std::string_view text, std::uint64_t& size) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Result<ListPage> list_page_from_xml(std::string_view xml) {
  ListPage page;
  StoredFile file;
  bool is_list = false;
  const auto leaf = [&](std::string_view path, std::string_view text) {
    if (path == "ListBucketResult") is_list = true;
    if (path == "ListBucketResult/IsTruncated") page.is_truncated = text == "true";
    if (path == "ListBucketResult/NextContinuationToken") page.next = text;
    if (path == "ListBucketResult/Contents/Key") file.key = text;
    if (path == "ListBucketResult/Contents/LastModified" && is_time(text)) file.modified = text;
    if (path == "ListBucketResult/Contents/Size") return read_size(text, file.size_bytes);
    if (path != "ListBucketResult/Contents") return true;
    if (file.key.empty() || file.key.size() > kMaxKey || page.files.size() >= kMaxFilesOfPage) return false;
    page.files.push_back(std::move(file));
    file = {};
    return true;
  };
  XmlReader reader(leaf);
  if (const std::string wrong = reader.read(xml); !wrong.empty()) {
    return fail(ErrorCode::kProtocol, "the list cannot be read: " + wrong);
  }
  if (!is_list) return fail(ErrorCode::kProtocol, "the list cannot be read: it is none");
  if (page.is_truncated && page.next.empty()) {
    return fail(ErrorCode::kProtocol, "the list cannot be read: it does not say how it goes on");
  }
  return page;
}

S3Error error_from_xml(std::string_view xml) {
  S3Error error;
  XmlReader reader([&](std::string_view path, std::string_view text) {
    if (path == "Error/Code") error.code = text;
    if (path == "Error/Message") error.message = text;
    return true;
  });
  if (!reader.read(xml).empty()) return {};
  return error;
}

}  // namespace secbeat::archive
