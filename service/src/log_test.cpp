// The agent's log lines.
#include "secbeat/service/log.hpp"

#include <gmock/gmock.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace secbeat::service {
namespace {

TEST(NodeLog, ATextFromOutsideCannotBeginALineNorSteerATerminal) {
  std::ostringstream out;
  spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  log.set_formatter(log_formatter());
  log.info("module {} is größer", "x\n2026-11-27T00:00:00.000Z info forged \x1b[2J\xff\xc2\x9b");
  EXPECT_THAT(out.str(),
              testing::MatchesRegex("[0-9-]+T[0-9:.]+Z info module x\\\\x0a2026-11-27T00:00:00.000Z info forged "
                                    "\\\\x1b\\[2J\\\\xff\\\\xc2\\\\x9b is größer\n"));
}

}  // namespace
}  // namespace secbeat::service
