#include "guard.hpp"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

namespace {
std::string logged;  // the format of the last line, as nginx' logger gets it
}

// nginx' own, which the guard calls; nginx is not linked here.
void ngx_log_error_core(ngx_uint_t /*level*/, ngx_log_t* /*log*/, ngx_err_t /*err*/, const char* format, ...) {
  logged = format;
}

namespace secbeat::nginx {
namespace {

class GuardTest : public testing::Test {
 protected:
  GuardTest() {
    logged.clear();
    log_.log_level = NGX_LOG_ERR;
  }
  ngx_log_t log_{};
};

TEST_F(GuardTest, GivesWhatTheBodyReturns) {
  EXPECT_EQ(guarded<ngx_int_t>(&log_, NGX_DECLINED, [] { return NGX_OK; }), NGX_OK);
  EXPECT_EQ(logged, "");
}

TEST_F(GuardTest, GivesTheFallbackAndLogsWhenTheBodyThrows) {
  const auto throws = [](auto error) { return [error]() -> ngx_int_t { throw error; }; };
  EXPECT_EQ(guarded<ngx_int_t>(&log_, NGX_DECLINED, throws(std::runtime_error("why"))), NGX_DECLINED);
  EXPECT_EQ(logged, "secbeat: %s");
  EXPECT_EQ(guarded<ngx_int_t>(&log_, NGX_DECLINED, throws(std::bad_alloc())), NGX_DECLINED);
  EXPECT_EQ(guarded<ngx_int_t>(&log_, NGX_DECLINED, throws(7)), NGX_DECLINED);
  EXPECT_EQ(logged, "secbeat: unknown exception");
}

}  // namespace
}  // namespace secbeat::nginx
