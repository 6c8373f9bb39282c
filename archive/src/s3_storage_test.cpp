// A server of S3 that answers as it is told to: what the storage makes of it. Signatures are judged by a real server,
// in tests/fleet/test_archive_s3.py.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::archive {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string answer(std::string_view status, std::string_view body = "", std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

// One connection, one answer. The last answer is given for ever; an empty one is silence until the end.
class FakeS3 {
 public:
  explicit FakeS3(std::deque<std::string> answers) : answers_(std::move(answers)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      ADD_FAILURE() << "no listener";
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeS3() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  FakeS3(const FakeS3&) = delete;
  FakeS3& operator=(const FakeS3&) = delete;

  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    std::vector<UniqueFd> silent;
    for (;;) {
      UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::string request;
      char buffer[4096];
      std::size_t wanted = std::string::npos;
      while (request.size() < wanted) {
        const ssize_t n = ::read(peer.get(), buffer, sizeof(buffer));
        if (n <= 0) break;
        request.append(buffer, static_cast<std::size_t>(n));
        const std::size_t end = request.find("\r\n\r\n");
        if (wanted != request.npos || end == request.npos) continue;
        const std::size_t at = request.find("Content-Length: ");
        wanted = end + 4 + (at == request.npos ? 0 : std::stoul(request.substr(at + 16)));
      }
      std::string reply;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
        reply = answers_.front();
        if (answers_.size() > 1) answers_.pop_front();
      }
      if (reply.empty()) {
        silent.push_back(std::move(peer));
        continue;
      }
      static_cast<void>(!::write(peer.get(), reply.data(), reply.size()));
      ::shutdown(peer.get(), SHUT_WR);
    }
  }

  UniqueFd listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::deque<std::string> answers_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

class S3StorageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    credentials_ = ::testing::TempDir() + "/s3-storage-credentials-" + std::to_string(::getpid());
    ASSERT_TRUE(write_file_atomically(
        credentials_,
        "[default]\naws_access_key_id = AKID\naws_secret_access_key = TOPSECRET\naws_session_token = TOK\n", 0600));
  }
  void TearDown() override { std::filesystem::remove(credentials_); }

  [[nodiscard]] std::unique_ptr<Storage> storage(const FakeS3& server, Patience patience = kHasty) const {
    return open_storage(
        {.bucket = "rules", .prefix = "waf", .endpoint = server.endpoint(), .credentials = credentials_}, patience);
  }
  static constexpr Patience kHasty{.connect = 5s, .silent = 30s, .whole = 60s, .attempts = 3, .pause = 1ms};

  std::string credentials_;
};

TEST_F(S3StorageTest, SignsWhatItSendsAndShowsNoSecret) {
  FakeS3 server({answer("200 OK")});
  ASSERT_TRUE(storage(server)->put("manifests/waf/1.0+2@node-1~2.json", "{}"));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_THAT(
      requests[0],
      AllOf(HasSubstr("PUT /rules/waf/manifests/waf/1.0%2B2%40node-1~2.json HTTP/1.1\r\n"),
            HasSubstr("x-amz-content-sha256: " + sha256_hex("{}")), HasSubstr("x-amz-security-token: TOK"),
            HasSubstr("Authorization: AWS4-HMAC-SHA256 Credential=AKID/"), HasSubstr("/us-east-1/s3/aws4_request"),
            HasSubstr("host;x-amz-content-sha256;x-amz-date;x-amz-meta-sha256;x-amz-security-token"),
            HasSubstr("\r\n\r\n{}")));
  EXPECT_THAT(requests[0], Not(HasSubstr("TOPSECRET")));
}

TEST_F(S3StorageTest, WhatIsMissingIsToldApartFromABucketThatIs) {
  FakeS3 server({answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"),
                 answer("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>")});
  const auto s3 = storage(server);
  EXPECT_EQ(s3->get("a", 10).error().code, ErrorCode::kNotFound);
  const auto bucket = s3->get("a", 10);
  EXPECT_EQ(bucket.error().code, ErrorCode::kIo);
  EXPECT_THAT(bucket.error().message, HasSubstr("make the bucket"));
}

// A proxy whose server is away: nothing is missing, and nothing is given up.
TEST_F(S3StorageTest, ANotFoundThatIsNotTheServersOwnIsTrouble) {
  FakeS3 server({answer("404 Not Found", "<html>no such service</html>"), answer("404 Not Found"),
                 answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>")});
  const auto s3 = storage(server);
  EXPECT_EQ(s3->put("a", "x").error().code, ErrorCode::kIo);
  EXPECT_EQ(s3->get("a", 10).error().code, ErrorCode::kIo);
  EXPECT_EQ(s3->put("a", "x").error().code, ErrorCode::kIo);
}

TEST_F(S3StorageTest, AWrongKeyIsRefusedOnceAndSaidSo) {
  FakeS3 server(
      {answer("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code><Message>no\x1b[2J</Message></Error>"),
       answer("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>")});
  const auto s3 = storage(server);
  const auto garbled = s3->put("a", "x");  // a control character is no XML: the status is what is left
  EXPECT_EQ(garbled.error().code, ErrorCode::kForbidden);
  const auto refused = s3->put("a", "x");
  EXPECT_EQ(refused.error().code, ErrorCode::kForbidden);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("403 SignatureDoesNotMatch: no; look at the credentials"),
                                             HasSubstr("s3://rules/waf"), Not(HasSubstr("TOPSECRET"))));
  EXPECT_EQ(server.requests().size(), 2U) << "not tried again";
}

TEST_F(S3StorageTest, AServerInTroubleIsAskedAgainAndGivenUpInTheEnd) {
  FakeS3 server({answer("500 Internal Server Error"), answer("503 Slow Down"), answer("200 OK", "bytes")});
  EXPECT_EQ(storage(server)->get("a", 10), "bytes");
  FakeS3 broken({answer("500 Internal Server Error")});
  const auto given_up = storage(broken)->get("a", 10);
  EXPECT_THAT(given_up.error().message, HasSubstr("answers 500"));
  EXPECT_EQ(broken.requests().size(), 3U);
}

TEST_F(S3StorageTest, ARedirectIsNotFollowed) {
  FakeS3 elsewhere({answer("200 OK", "other bytes")});
  FakeS3 server({answer("307 Temporary Redirect", "", "Location: " + elsewhere.endpoint() + "/rules/a\r\n")});
  EXPECT_THAT(storage(server)->get("a", 100).error().message, HasSubstr("look at [archive] region and endpoint"));
  EXPECT_TRUE(elsewhere.requests().empty());
}

TEST_F(S3StorageTest, WhatIsTruncatedOrTooLargeIsNotTaken) {
  FakeS3 truncated({"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfew bytes"});
  EXPECT_FALSE(storage(truncated)->get("a", 1000));
  FakeS3 large({answer("200 OK", std::string(1000, 'x'))});
  EXPECT_EQ(storage(large)->get("a", 999).error().code, ErrorCode::kTooLarge);
}

TEST_F(S3StorageTest, ASilentServerIsGivenUpAtOnceWhenItIsTo) {
  FakeS3 server({""});
  const auto s3 = storage(server);
  std::thread ending([&] {
    while (server.requests().empty()) std::this_thread::sleep_for(1ms);
    s3->cancel();
  });
  EXPECT_EQ(s3->get("a", 10).error().code, ErrorCode::kCancelled);
  ending.join();
  EXPECT_EQ(s3->put("b", "x").error().code, ErrorCode::kCancelled) << "and for ever";
}

TEST_F(S3StorageTest, ASilentServerIsGivenUpByItself) {
  FakeS3 server({""});
  Patience patience = kHasty;
  patience.silent = 1s;
  patience.attempts = 1;
  EXPECT_THAT(storage(server, patience)->get("a", 10).error().message, HasSubstr("no answer from http://127.0.0.1"));
}

TEST_F(S3StorageTest, AListComesInPagesAndInOrder) {
  const std::string begin = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t+/=";
  FakeS3 server({answer("200 OK", begin + "</NextContinuationToken><Contents><Key>waf/modules/b</Key><Size>2</Size>"
                                          "</Contents></ListBucketResult>"),
                 answer("200 OK",
                        "<ListBucketResult><Contents><Key>waf/modules/a</Key><Size>1</Size></Contents>"
                        "</ListBucketResult>")});
  const auto files = storage(server)->list("modules");
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(*files, ElementsAre(StoredFile{"modules/a", 1}, StoredFile{"modules/b", 2}));
  EXPECT_THAT(server.requests()[1], HasSubstr("GET /rules?continuation-token=t%2B%2F%3D&list-type=2&max-keys=1000&"
                                              "prefix=waf%2Fmodules%2F HTTP/1.1"));
}

TEST_F(S3StorageTest, AListWithoutAnEndOrOfOthersFilesIsAFault) {
  FakeS3 endless({answer("200 OK",
                         "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                         "</NextContinuationToken><Contents><Key>waf/modules/b</Key></Contents>"
                         "</ListBucketResult>")});
  EXPECT_THAT(storage(endless)->list("modules").error().message, HasSubstr("a list without an end"));
  FakeS3 foreign({answer("200 OK", "<ListBucketResult><Contents><Key>etc/passwd</Key></Contents></ListBucketResult>")});
  EXPECT_THAT(storage(foreign)->list("modules").error().message, HasSubstr("what it was not asked for"));
}

TEST_F(S3StorageTest, ContentWithAWrongHashIsNotGivenOut) {
  FakeS3 server({answer("200 OK", "other bytes")});
  const VersionArchive archive(storage(server));
  EXPECT_THAT(archive.module_bytes(sha256_hex("bytes")).error().message, HasSubstr("is damaged"));
}

TEST_F(S3StorageTest, ContentThatIsThereIsNotSentAgain) {
  FakeS3 server({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"});
  ASSERT_TRUE(VersionArchive(storage(server)).put_module(sha256_hex("bytes"), "bytes"));
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_THAT(server.requests()[0], HasSubstr("HEAD /rules/waf/modules/"));
}

TEST_F(S3StorageTest, ContentOfTheSameSizeWithAnotherHashIsSentAgain) {
  FakeS3 server({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\nX-Amz-Meta-Sha256: " +
                     sha256_hex("bytez") + "\r\n\r\n",
                 answer("200 OK")});
  ASSERT_TRUE(VersionArchive(storage(server)).put_module(sha256_hex("bytes"), "bytes"));
  ASSERT_EQ(server.requests().size(), 2U);
  EXPECT_THAT(server.requests()[1],
              AllOf(HasSubstr("PUT /rules/waf/modules/"), HasSubstr("x-amz-meta-sha256: " + sha256_hex("bytes"))));
}

TEST_F(S3StorageTest, AnEndpointWithAPasswordIsRefusedAndThePasswordIsNotShown) {
  const auto s3 = open_storage(
      {.bucket = "rules", .endpoint = "http://me:TOPSECRET@127.0.0.1:1", .credentials = credentials_}, kHasty);
  EXPECT_THAT(s3->check().error().message, AllOf(HasSubstr("127.0.0.1:1"), Not(HasSubstr("TOPSECRET"))));
}

TEST_F(S3StorageTest, NobodyThereIsSaid) {
  std::string endpoint;
  {
    const FakeS3 gone({""});
    endpoint = gone.endpoint();
  }
  const auto s3 = open_storage({.bucket = "rules", .endpoint = endpoint, .credentials = credentials_}, kHasty);
  EXPECT_THAT(s3->check().error().message, HasSubstr("no answer from " + endpoint));
}

}  // namespace
}  // namespace secbeat::archive
