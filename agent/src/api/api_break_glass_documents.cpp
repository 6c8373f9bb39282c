// What the API's documents hold of break-glass.
#include "api_documents.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::agent {
using namespace http;  // the words of documents

static Json value_of(const GlassStatement& statement);
static Json value_of(const TakenBackVersion& version);
static Json value_of(const DrillFinding& finding);
static Json value_of(const WorkerCount& workers);

namespace {

constexpr std::string_view kMessages[] = {"Changes are frozen",           "Changes were not frozen",
                                          "Changes are no longer frozen", "Requests pass uninspected",
                                          "There was no bypass",          "Requests are inspected again"};
constexpr std::string_view kDrillHealthWords[] = {word_of(DrillHealth::kOk), word_of(DrillHealth::kWarning),
                                                  word_of(DrillHealth::kFailure)};

constexpr Member kStatementMembers[] = {
    {"since", time(), member<&GlassStatement::since>},
    {"until", time("When it ends by itself; null: it does not").or_null(), text_or_null<&GlassStatement::until>},
    {"by", text(), member<&GlassStatement::by>},
    {"reason", text(), member<&GlassStatement::reason>},
};
constexpr DocumentType kStatement{"BreakGlassStatement", "What is in effect, since when and why", kStatementMembers};

constexpr Member kTakenBackMembers[] = {
    {"name", text("The module"), member<&TakenBackVersion::name>},
    {"version", text("That would decide"), member<&TakenBackVersion::version>},
    {"decided_by", text("The version before it, which decides").or_null(), text_or_null<&TakenBackVersion::decided_by>},
};
constexpr DocumentType kTakenBack{"TakenBackVersion", "A rollback that only the scoreboard has yet", kTakenBackMembers};

constexpr Member kWorkerMembers[] = {
    {"serving", count("Workers that see it"), member<&WorkerCount::serving>},
    {"total", count("Workers there are"), member<&WorkerCount::total>},
};
constexpr DocumentType kWorkersReached{"BreakGlassWorkers", "Whether workers read the scoreboard of this node",
                                       kWorkerMembers};

constexpr Member kViewMembers[] = {
    {"frozen", document(kStatement, "Null: changes are possible").or_null(), member<&BreakGlassView::frozen>},
    {"bypass", document(kStatement, "Null: requests are inspected").or_null(), member<&BreakGlassView::bypass>},
    {"taken_back", document(kTakenBack).list(), member<&BreakGlassView::taken_back>},
    {"requests_bypassed", count("That passed uninspected, over all bypasses"),
     member<&BreakGlassView::requests_bypassed>},
    {"workers", document(kWorkersReached), member<&BreakGlassView::workers>},
};

Json view_of(const GlassResult& result) { return write(documents::kBreakGlass, &result.view); }

constexpr Member kResultMembers[] = {
    {"success", flag(), always_true},
    {"message", one_of(kMessages), member<&GlassResult::message>},
    {"state", document(documents::kBreakGlass), computed<GlassResult, view_of>},
    {"warnings", text("What could not be done besides").list(), member<&GlassResult::warnings>},
};

constexpr Member kFindingMembers[] = {
    {"check", text("What was tried"), member<&DrillFinding::check>},
    {"result", one_of(kDrillHealthWords),
     computed<DrillFinding, [](const DrillFinding& finding) -> Json { return word_of(finding.health); }>},
    {"found", text(), member<&DrillFinding::found>},
    {"advice", text("What to do").or_null(), text_or_null<&DrillFinding::advice>},
};
constexpr DocumentType kFinding{"DrillFinding", "One part of a drill", kFindingMembers};

constexpr Member kDrillMembers[] = {
    {"success", flag(), always_true},
    {"healthy", flag("Nothing failed"), member<&DrillReport::healthy>},
    {"checks", document(kFinding).list(), member<&DrillReport::checks>},
};

}  // namespace

static Json value_of(const GlassStatement& statement) { return write(kStatement, &statement); }
static Json value_of(const TakenBackVersion& version) { return write(kTakenBack, &version); }
static Json value_of(const DrillFinding& finding) { return write(kFinding, &finding); }
static Json value_of(const WorkerCount& workers) { return write(kWorkersReached, &workers); }

namespace documents {
const DocumentType kBreakGlass{"BreakGlass", "What was demanded in an emergency and is in effect", kViewMembers};
const DocumentType kBreakGlassResult{"BreakGlassResult", "It is in effect", kResultMembers};
const DocumentType kDrill{"Drill", "Whether break-glass and a rollback would work", kDrillMembers};
}  // namespace documents

Json to_document(const BreakGlassView& view) { return write(documents::kBreakGlass, &view); }
Json to_document(const GlassResult& result) { return write(documents::kBreakGlassResult, &result); }
Json to_document(const DrillReport& report) { return write(documents::kDrill, &report); }

}  // namespace secbeat::agent
