#include "api_test_support.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>

namespace secbeat::agent {
namespace {

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* into) {
  auto& headers = *static_cast<std::map<std::string, std::string>*>(into);
  std::string line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
  const std::size_t colon = line.find(": ");
  if (colon == std::string::npos) return size * count;
  std::string name = line.substr(0, colon);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  headers[name] = line.substr(colon + 2);
  return size * count;
}

struct Call {
  std::string method;
  std::string url;
  std::optional<std::string> body;
  std::vector<std::string> headers;
};

Answer perform(const Call& call) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  Answer answer;
  curl_slist* list = nullptr;
  for (const std::string& header : call.headers) list = curl_slist_append(list, header.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &answer.headers);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, static_cast<long>(kTestTimeout.count()));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  if (call.method == "HEAD") curl_easy_setopt(curl.get(), CURLOPT_NOBODY, 1L);
  if (call.body) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, call.body->data());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body->size()));
  }
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, call.method.c_str());
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) answer.failure = curl_easy_strerror(code);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  curl_slist_free_all(list);
  return answer;
}

std::string url_of(const ApiServer& server, const std::string& path) {
  return fmt::format("http://127.0.0.1:{}{}", server.port(), path);
}

}  // namespace

std::optional<Upload> FakeReloader::last_upload() const {
  const std::scoped_lock lock(mutex_);
  return last_upload_;
}

std::optional<Rollback> FakeReloader::last_rollback() const {
  const std::scoped_lock lock(mutex_);
  return last_rollback_;
}

Page FakeReloader::last_page() const {
  const std::scoped_lock lock(mutex_);
  return last_page_;
}

Outcome<ReloadResult> FakeReloader::reload(const Upload& upload) {
  {
    const std::scoped_lock lock(mutex_);
    last_upload_ = upload;
  }
  return on_reload ? on_reload(upload) : ReloadResult{};
}

Outcome<RollbackResult> FakeReloader::rollback(const Rollback& rollback) {
  {
    const std::scoped_lock lock(mutex_);
    last_rollback_ = rollback;
  }
  return on_rollback ? on_rollback(rollback) : RollbackResult{};
}

Outcome<VersionView> FakeReloader::version(const std::optional<std::string>& name) const {
  return on_version ? on_version(name) : VersionView{};
}

Outcome<std::vector<HistoryRow>> FakeReloader::history(const std::optional<std::string>& name, Page page) const {
  may_throw();
  if (read_failure) return std::unexpected(*read_failure);
  const std::scoped_lock lock(mutex_);
  last_page_ = page;
  std::vector<HistoryRow> rows;
  for (const HistoryRow& row : history_rows) {
    if ((!name || row.name == *name) && (!page.before || row.id < *page.before) && rows.size() < page.limit) {
      rows.push_back(row);
    }
  }
  return rows;
}

Outcome<KnownVersions> FakeReloader::versions(const std::optional<std::string>& name, Page page) const {
  if (read_failure) return std::unexpected(*read_failure);
  KnownVersions known;
  for (const KnownVersion& row : version_list) {
    if (name && row.name != *name) continue;
    ++known.total;
    if ((!page.before || row.id < *page.before) && known.versions.size() < page.limit) known.versions.push_back(row);
  }
  return known;
}

Outcome<std::string> FakeReloader::module_bytes(std::string_view sha256) const {
  if (read_failure) return std::unexpected(*read_failure);
  const auto found = bytes_by_sha256.find(sha256);
  if (found != bytes_by_sha256.end()) return found->second;
  Failure failure;
  failure.error = {ErrorCode::kUnknownVersion, "No module with these bytes"};
  return std::unexpected(failure);
}

std::string FakeReloader::label_of(std::uint64_t version_id) const {
  may_throw();
  const auto found = labels.find(version_id);
  return found == labels.end() ? std::string() : found->second;
}

RawClient::RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval timeout{kTestTimeout.count(), 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) socket_.reset();
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string RawClient::receive(std::string_view enough) {
  std::string all;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(n));
    if (!enough.empty() && all.find(enough) != std::string::npos) return all;
  }
}

std::string multipart_body(const std::vector<Field>& fields) {
  std::string body;
  for (const Field& field : fields) {
    body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", kTestBoundary, field.name,
                        field.value);
  }
  return body + fmt::format("--{}--\r\n", kTestBoundary);
}

ApiTest::ApiTest() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  EXPECT_EQ(initialised, CURLE_OK);
  spdlog::set_level(spdlog::level::warn);
  std::string name = (std::filesystem::temp_directory_path() / "secbeat-api-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  config_.api = {"127.0.0.1", 0};
}

ApiTest::~ApiTest() {
  server_.reset();
  std::filesystem::remove_all(folder_);
}

void ApiTest::start() {
  auto scoreboard = control::Scoreboard::create(folder_ / "scoreboard", ::getuid(), static_cast<gid_t>(-1));
  ASSERT_TRUE(scoreboard) << scoreboard.error().message;
  scoreboard_ = std::move(*scoreboard);
  auto server =
      ApiServer::start({config_, reloader_, hub_, *scoreboard_, events_, nullptr, clock_, nullptr, nullptr, &glass_});
  ASSERT_TRUE(server) << server.error().message;
  server_ = std::move(*server);
}

void ApiTest::spdlog_off() { spdlog::set_level(spdlog::level::off); }

Answer ApiTest::get(const std::string& path, const std::vector<std::string>& headers) const {
  return perform({"GET", url_of(*server_, path), std::nullopt, headers});
}

Answer ApiTest::post(const std::string& path, const std::string& body, const std::vector<std::string>& headers) const {
  return perform({"POST", url_of(*server_, path), body, headers});
}

Answer ApiTest::upload(const std::string& path, const std::vector<Field>& fields) const {
  return post(path, multipart_body(fields),
              {fmt::format("Content-Type: multipart/form-data; boundary={}", kTestBoundary)});
}

Answer ApiTest::request(const std::string& method, const std::string& path) const {
  return perform({method, url_of(*server_, path), std::nullopt, {}});
}

Answer ApiTest::request_with(const std::string& method, const std::string& path,
                             const std::vector<std::string>& headers, const std::optional<std::string>& body) const {
  return perform({method, url_of(*server_, path), body, headers});
}

}  // namespace secbeat::agent
