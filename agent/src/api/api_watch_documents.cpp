// What the API's documents hold of the watch over a new version.
#include "api_documents.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::agent {
using namespace http;  // the words of documents

static Json value_of(const WatchFigures& figures);

namespace {

constexpr std::string_view kWatchStateWords[] = {word_of(WatchState::kRunning), word_of(WatchState::kPassed),
                                                 word_of(WatchState::kEnded), word_of(WatchState::kSuperseded),
                                                 word_of(WatchState::kRolledBack)};
constexpr std::string_view kWatchMessages[] = {"Watch ended"};

constexpr Member kWatchFiguresMembers[] = {
    {"requests", count("That it was asked about"), member<&WatchFigures::requests>},
    {"trap", count(), member<&WatchFigures::trap>},
    {"deadline", count(), member<&WatchFigures::deadline>},
    {"memory", count(), member<&WatchFigures::memory>},
    {"bad_verdict", count(), member<&WatchFigures::bad_verdict>},
    {"no_instance", count(), member<&WatchFigures::no_instance>},
    {"block_percent", amount("Of the requests"), member<&WatchFigures::block_percent>},
    {"rate_limit_percent", amount("Of the requests"), member<&WatchFigures::rate_limit_percent>},
    {"passed_per_second", amount("Requests that went on to the site; null: not known").or_null(),
     member<&WatchFigures::passed_per_second>},
    {"p99_us", amount("Of the time of one inspection; null: there was none").or_null(), member<&WatchFigures::p99_us>},
};
constexpr DocumentType kWatchFigures{"WatchFigures", "What a version did to the requests", kWatchFiguresMembers};

constexpr Member kWatchMembers[] = {
    {"state", one_of(kWatchStateWords),
     computed<WatchView, [](const WatchView& watch) -> Json { return word_of(watch.state); }>},
    {"version", text("The version that is watched"), member<&WatchView::version>},
    {"previous_version", text("Where it would be taken back to; null: nowhere").or_null(),
     text_or_null<&WatchView::previous_version>},
    {"since", time(), member<&WatchView::since>},
    {"until", time("When it ends, or ended"), member<&WatchView::until>},
    {"reason", text("Why it ended, or what is wrong and cannot be mended").or_null(), text_or_null<&WatchView::reason>},
    {"measured", document(kWatchFigures, "Since the swap"), member<&WatchView::measured>},
    {"baseline", document(kWatchFigures, "Of the version before; null: there is none").or_null(),
     member<&WatchView::baseline>},
};

constexpr Member kWatchEndMembers[] = {
    {"success", flag(), always_true},
    {"message", one_of(kWatchMessages),
     computed<WatchEnded, [](const WatchEnded&) -> Json { return kWatchMessages[0]; }>},
    {"name", text("The module"),
     computed<WatchEnded, [](const WatchEnded& ended) -> Json { return ended.watch.module; }>},
    {"version", text("The version that stays"),
     computed<WatchEnded, [](const WatchEnded& ended) -> Json { return ended.watch.version; }>},
    {"watch", document(documents::kWatch), member<&WatchEnded::watch>},
};

}  // namespace

static Json value_of(const WatchFigures& figures) { return write(kWatchFigures, &figures); }
Json value_of(const WatchView& watch) { return write(documents::kWatch, &watch); }

namespace documents {
const DocumentType kWatch{"Watch", "The watch over a new version", kWatchMembers};
const DocumentType kWatchEnd{"WatchEnd", "A watch was ended", kWatchEndMembers};
}  // namespace documents

Json to_document(const WatchEnded& ended) { return write(documents::kWatchEnd, &ended); }

}  // namespace secbeat::agent
