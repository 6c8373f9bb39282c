// HTTP itself: paths, methods, limits, request ids, clients that misbehave, and what runs at the same time.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <future>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kSlowClients = 300;

std::string upload_head(std::string_view length_header) {
  return fmt::format(
      "POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
      "boundary=B\r\n{}\r\n\r\n",
      length_header);
}

std::string chunk(std::size_t size) { return fmt::format("{:x}\r\n{}\r\n", size, std::string(size, 'x')); }

TEST_F(ApiTest, UnknownPathsAreNotFound) {
  start();
  for (const char* path : {"/", "/api/v1/wasm", "/api/v1/wasm/version/", "/api/v1/wasm//version",
                           "/API/v1/wasm/version", "/openapi.yaml", "/api/v1/melt", "/api/v1/rule", "/metrics/../x"}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.json()["code"], "not_found");
  }
  EXPECT_EQ(post("/nothing", "body", {}).json()["code"], "not_found");
}

TEST_F(ApiTest, WrongMethodsAreToldTheRightOnes) {
  start();
  const Answer reading = post("/api/v1/wasm/version", "", {});
  EXPECT_EQ(reading.status, 405);
  EXPECT_EQ(reading.headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(reading.json()["code"], "method_not_allowed");
  const Answer writing = get("/api/v1/wasm/reload");
  EXPECT_EQ(writing.status, 405);
  EXPECT_EQ(writing.headers.at("allow"), "POST");
  for (const char* method : {"DELETE", "PUT", "OPTIONS", "PATCH", "NONSENSE"}) {
    EXPECT_EQ(request(method, "/healthz").status, 405) << method;
  }
  const Answer literal = request("DELETE", "/api/v1/rules/active");  // it is no rule's name
  EXPECT_EQ(literal.status, 405);
  EXPECT_EQ(literal.headers.at("allow"), "GET, HEAD");
  const Answer odd = post("/api/v1/wasm/modules/a%0Ab%1B" + std::string(2000, 'c'), "", {});
  EXPECT_EQ(odd.status, 405);
  const std::string error = odd.json()["error"];
  EXPECT_THAT(error, testing::HasSubstr("modules/a\\x0ab\\x1bccc"));
  EXPECT_LT(error.size(), 500U);
}

TEST_F(ApiTest, HeadIsGetWithoutTheBody) {
  start();
  const Answer answer = request("HEAD", "/healthz");
  EXPECT_EQ(answer.status, 200) << answer.failure;
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.headers.at("content-length"), std::to_string(get("/healthz").body.size()));
}

TEST_F(ApiTest, EveryAnswerHasARequestId) {
  start();
  EXPECT_EQ(get("/healthz", {"X-Request-Id: abc-1"}).headers.at("x-request-id"), "abc-1");
  for (const std::string& bad :
       {std::string("a b"), std::string(65, 'x'), std::string("a\"b"), std::string("\xC3\xBC")}) {
    EXPECT_THAT(get("/healthz", {"X-Request-Id: " + bad}).headers.at("x-request-id"), MatchesRegex("[0-9a-f]{16}"));
  }
  const std::string first = get("/nothing").headers.at("x-request-id");
  EXPECT_NE(first, get("/nothing").headers.at("x-request-id"));
}

TEST_F(ApiTest, OneConnectionServesManyRequests) {
  start();
  RawClient client(server_->port());
  for (const char* path : {"/healthz", "/nothing", "/healthz?x=1", "/healthz"}) {
    ASSERT_TRUE(client.send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path)));
    EXPECT_THAT(client.receive("}\n"), StartsWith("HTTP/1.1 ")) << path;
  }
  ASSERT_TRUE(client.send("POST /api/v1/wasm/rollback HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(client.receive("}\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ApiTest, AnAnnouncedBodyOverTheLimitIsRefusedBeforeItIsSent) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(upload_head("Content-Length: 52428800")));
  const std::string answer = client.receive();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, HasSubstr("\"code\":\"too_large\",\"size_bytes\":52428800,\"limit_bytes\":5308416}"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));

  RawClient expecting(server_->port());
  ASSERT_TRUE(expecting.send(upload_head("Content-Length: 52428800\r\nExpect: 100-continue")));
  const std::string instead = expecting.receive();
  EXPECT_THAT(instead, StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
}

// Many HTTP libraries look for an answer only when they have sent everything, and give up where they cannot.
TEST_F(ApiTest, AClientThatSendsItAllTheSameReadsTheRefusal) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(upload_head("Content-Length: 50000000")));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.send(std::string(1'000'000, 'x')));
  EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 413 "));
  for (const char* header : {"Expect:", "Expect: 100-continue"}) {
    const Answer answer = post("/api/v1/wasm/reload", std::string(50'000'000, 'x'),
                               {"Content-Type: multipart/form-data; boundary=B", header});
    EXPECT_EQ(answer.status, 413) << answer.failure;
    EXPECT_EQ(answer.json()["code"], "too_large");
  }
  const Answer elsewhere = post("/nothing", std::string(10'000'000, 'x'), {"Expect:"});
  EXPECT_EQ(elsewhere.status, 404) << elsewhere.failure;
}

TEST_F(ApiTest, AChunkedBodyIsCountedAndCut) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(upload_head("Transfer-Encoding: chunked")));
  // 50 MB in all; the server's answer comes long before the end.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.send(chunk(1'000'000)));
  const std::string answer = client.receive();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, HasSubstr("\r\nX-Request-Id: "));
  EXPECT_THAT(answer, HasSubstr("\"code\":\"too_large\",\"size_bytes\":null,\"limit_bytes\":5308416}\n"));
  EXPECT_EQ(reloader_.last_upload(), std::nullopt);
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiTest, AChunkedBodyWithinTheLimitIsTaken) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(upload_head("Transfer-Encoding: chunked")));
  const std::string body = "--B\r\nContent-Disposition: form-data; name=file\r\n\r\nbytes\r\n--B--\r\n";
  for (const char c : body) ASSERT_TRUE(client.send(fmt::format("1\r\n{}\r\n", c)));
  ASSERT_TRUE(client.send("0\r\n\r\n"));
  EXPECT_THAT(client.receive("}\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(reloader_.last_upload()->file, "bytes");
}

TEST_F(ApiTest, SlowClientsHoldNobodyUp) {
  start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < kSlowClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    const std::string whole = upload_head("Content-Length: 100000") + "--B\r\nContent-Dispo";
    ASSERT_TRUE(clients.back()->send(i % 3 == 0 ? whole : i % 3 == 1 ? whole.substr(0, 30) : ""));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(get("/healthz").status, 200);
    EXPECT_EQ(upload("/api/v1/wasm/reload", {{"file", "x"}}).status, 200);
  }
}

TEST_F(ApiTest, LongCallsRunAtTheSameTimeAndRollbackPassesThem) {
  Gate gate;
  reloader_.on_reload = [&](const Upload& upload) {
    gate.pass();
    ReloadResult result;
    result.version = upload.reason;
    return result;
  };
  start();
  std::vector<std::future<Answer>> uploads;
  for (int i = 0; i < 12; ++i) {
    uploads.push_back(std::async(std::launch::async, [this, i] {
      return upload("/api/v1/wasm/reload", {{"file", "x"}, {"reason", fmt::format("r{}", i)}});
    }));
  }
  ASSERT_TRUE(gate.await_waiting(4));
  EXPECT_EQ(request("POST", "/api/v1/wasm/rollback").status, 200);
  EXPECT_EQ(get("/api/v1/wasm/version").status, 200);
  EXPECT_EQ(get("/metrics").status, 200);
  gate.open();
  for (std::size_t i = 0; i < uploads.size(); ++i) {
    const Answer answer = uploads[i].get();
    EXPECT_EQ(answer.status, 200) << answer.body << answer.failure;
    EXPECT_EQ(answer.json()["version"], fmt::format("r{}", i));
  }
}

TEST_F(ApiTest, EmergenciesPassRollbacksThatWait) {
  Gate gate;
  reloader_.on_rollback = [&](const Rollback&) {
    gate.pass();
    return RollbackResult{};
  };
  start();
  std::vector<std::future<Answer>> rollbacks;
  for (int i = 0; i < 6; ++i) {
    rollbacks.push_back(std::async(std::launch::async, [this] { return post("/api/v1/wasm/rollback", "", {}); }));
  }
  ASSERT_TRUE(gate.await_waiting(2)) << "all of their threads";
  for (const char* path : {"/api/v1/freeze", "/api/v1/unfreeze", "/api/v1/bypass"}) {
    auto answer = std::async(std::launch::async, [&] { return post(path, "", {}); });
    EXPECT_EQ(answer.wait_for(kTestTimeout / 6), std::future_status::ready) << path;
    if (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) gate.open();
    EXPECT_EQ(answer.get().status, 200) << path;
  }
  gate.open();
  for (auto& rollback : rollbacks) EXPECT_EQ(rollback.get().status, 200);
}

TEST_F(ApiTest, AClientThatGoesAwayWhileItsCallRunsHarmsNobody) {
  Gate gate;
  reloader_.on_reload = [&](const Upload&) {
    gate.pass();
    return ReloadResult{};
  };
  start();
  {
    RawClient client(server_->port());
    const std::string body = "--B\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--B--\r\n";
    ASSERT_TRUE(client.send(upload_head(fmt::format("Content-Length: {}", body.size())) + body));
    ASSERT_TRUE(gate.await_waiting(1));
  }
  gate.open();
  EXPECT_EQ(upload("/api/v1/wasm/reload", {{"file", "x"}}).status, 200);
}

TEST_F(ApiTest, StopAnswersWhatIsUnderWayAndTakesNothingNew) {
  Gate gate;
  reloader_.on_reload = [&](const Upload&) {
    gate.pass();
    return ReloadResult{};
  };
  start();
  RawClient half(server_->port());
  ASSERT_TRUE(half.send("POST /api/v1/wasm/reload HTTP/1.1\r\nHost:"));
  auto running = std::async(std::launch::async, [this] { return upload("/api/v1/wasm/reload", {{"file", "x"}}); });
  ASSERT_TRUE(gate.await_waiting(1));
  auto stopped = std::async(std::launch::async, [this] { server_->stop(); });
  gate.open();
  EXPECT_EQ(running.get().status, 200);
  stopped.get();
  EXPECT_NE(get("/healthz").failure, "");
  EXPECT_EQ(half.receive(), "");
}

TEST_F(ApiTest, AStopWithoutAnyRequestIsFine) {
  start();
  server_->stop();
  server_->stop();
}

TEST_F(ApiTest, ATakenPortIsToldWithItsOwner) {
  start();
  config_.api.port = server_->port();
  const auto second = ApiServer::start({config_, reloader_, hub_, *scoreboard_, events_, nullptr, clock_});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConfig);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("127.0.0.1:{}", server_->port())));
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("in use by process {}", ::getpid())));
}

TEST_F(ApiTest, AnAddressOfAnotherMachineIsAnError) {
  start();
  config_.api.host = "192.0.2.1";
  const auto listening = ApiServer::start({config_, reloader_, hub_, *scoreboard_, events_, nullptr, clock_});
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, ErrorCode::kConfig);
}

}  // namespace
}  // namespace secbeat::agent
