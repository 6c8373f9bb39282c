// What the ledger's two source files share: parameters by type, columns by type, exceptions to errors.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/cost.hpp"

namespace secbeat::agent::sql {

template <class Parameter>
void put(SQLite::Statement& statement, int place, const Parameter& parameter) {
  if constexpr (requires { parameter.has_value(); }) {
    if (parameter) put(statement, place, *parameter);
    if (!parameter) statement.bind(place);
  } else if constexpr (std::is_floating_point_v<Parameter>) {
    statement.bind(place, parameter);
  } else if constexpr (std::is_integral_v<Parameter>) {
    statement.bind(place, static_cast<std::int64_t>(parameter));
  } else {
    statement.bind(place, std::string(std::string_view(parameter)));
  }
}

// A statement with its parameters in order.
template <class... Parameters>
SQLite::Statement statement(const SQLite::Database& database, const char* text, const Parameters&... parameters) {
  SQLite::Statement prepared(database, text);
  [&]<std::size_t... kPlaces>(std::index_sequence<kPlaces...>) {
    (put(prepared, static_cast<int>(kPlaces) + 1, parameters), ...);
  }(std::index_sequence_for<Parameters...>());
  return prepared;
}

// Commits do not wait for the disk while it lives; the next one after it waits for theirs as well.
// REQUIRES: no transaction is open where it begins and ends.
class WithoutSync {
 public:
  explicit WithoutSync(SQLite::Database& database) : database_(database) {
    database_.exec("PRAGMA synchronous = NORMAL");
  }
  ~WithoutSync() { database_.tryExec("PRAGMA synchronous = FULL"); }
  WithoutSync(const WithoutSync&) = delete;
  WithoutSync& operator=(const WithoutSync&) = delete;

 private:
  SQLite::Database& database_;
};

// Runs a statement that gives no rows; the number of rows that it changed.
template <class... Parameters>
int run(const SQLite::Database& database, const char* text, const Parameters&... parameters) {
  return statement(database, text, parameters...).exec();
}

// Reads the columns of a row from left to right.
class Row {
 public:
  explicit Row(SQLite::Statement& row) : row_(row) {}
  Row& operator>>(std::string& text) { return text = row_.getColumn(place_++).getString(), *this; }
  Row& operator>>(double& number) { return number = row_.getColumn(place_++).getDouble(), *this; }
  Row& operator>>(std::int64_t& number) { return number = row_.getColumn(place_++).getInt64(), *this; }
  Row& operator>>(bool& flag) { return flag = row_.getColumn(place_++).getInt() != 0, *this; }
  Row& operator>>(std::uint64_t& number) {
    return number = static_cast<std::uint64_t>(row_.getColumn(place_++).getInt64()), *this;
  }
  Row& operator>>(std::optional<std::uint64_t>& number) {
    const SQLite::Column column = row_.getColumn(place_++);
    number = column.isNull() ? std::nullopt : std::optional(static_cast<std::uint64_t>(column.getInt64()));
    return *this;
  }
  Row& operator>>(std::optional<std::string>& text) {
    const SQLite::Column column = row_.getColumn(place_++);
    text = column.isNull() ? std::nullopt : std::optional(column.getString());
    return *this;
  }

 private:
  SQLite::Statement& row_;
  int place_ = 0;
};

// Three columns, all of them null where nothing was counted.
inline std::optional<engine::Cost> cost_of(const std::optional<std::uint64_t>& fuel,
                                           const std::optional<std::string>& request,
                                           const std::optional<std::uint64_t>& at_least) {
  if (!fuel) return std::nullopt;
  return engine::Cost{*fuel, request.value_or(""), at_least.value_or(0) != 0};
}

// The result of `work`; what the library throws becomes kIo.
template <class Work>
auto guarded(Work&& work) -> Result<decltype(work())> {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const SQLite::Exception& error) {
    return fail(ErrorCode::kIo, std::string("the ledger cannot be used: ") + error.what());
  }
}

}  // namespace secbeat::agent::sql
