// POST /api/v1/wasm/{reload,load,validate,rollback}, DELETE /api/v1/wasm/modules/{name}
#include <fmt/format.h>

#include "api_documents.hpp"
#include "api_http.hpp"
#include "api_routes.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMaxReasonBytes = 1000;
constexpr std::size_t kMaxLabelBytes = 128;  // a semantic version and what the node appends to it
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxSignatureFieldBytes =
    16384;  // far above what a signature has: that is the reloader's to judge

// What of the fields is text, one error at most.
struct Texts {
  std::optional<std::string> name;
  std::optional<std::string> version;
  std::optional<std::string> reason;
};

OrRefusal<Texts> read_texts(Form& form, std::string_view version_field) {
  Texts texts;
  const auto read = [&](std::optional<std::string>& into, std::string_view field,
                        std::size_t limit) -> OrRefusal<void> {
    auto text = take_text(form, field, limit);
    if (!text) return std::unexpected(text.error());
    into = std::move(*text);
    return {};
  };
  for (const auto& result :
       {read(texts.name, "name", kMaxNameBytes), read(texts.version, version_field, kMaxLabelBytes),
        read(texts.reason, "reason", kMaxReasonBytes)}) {
    if (!result) return std::unexpected(result.error());
  }
  return texts;
}

OrRefusal<void> check_size(std::string_view what, const std::optional<std::string>& bytes, std::size_t limit) {
  if (!bytes || bytes->size() <= limit) return {};
  return refuse(ErrorCode::kTooLarge, fmt::format("{} has {} bytes; the limit is {} bytes", what, bytes->size(), limit),
                {{"size_bytes", bytes->size()}, {"limit_bytes", limit}});
}

OrRefusal<void> check_parts(const Config& config, const Upload& upload) {
  if (!upload.file && !upload.config) {
    return refuse(ErrorCode::kMissingFile,
                  "The field \"file\" with the module is missing (and there is no \"config\" to change alone)");
  }
  if (auto size = check_size("The module", upload.file, config.max_module_bytes); !size) {
    return size;
  }
  if (auto size = check_size("The configuration", upload.config, BodyLimits{}.document_bytes); !size) {
    return size;
  }
  if (upload.signature && !upload.file) {
    return refuse(ErrorCode::kBadRequest, "The field \"signature\" is of a module: send it with the field \"file\"",
                  {{"field", "signature"}});
  }
  if (auto size = check_size("The signature", upload.signature, kMaxSignatureFieldBytes); !size) return size;
  return upload.config ? check_configuration(*upload.config) : OrRefusal<void>{};
}

OrRefusal<Upload> read_upload(const Config& config, HttpRequest& request) {
  if (request.body.empty()) {
    return refuse(ErrorCode::kMissingFile,
                  "The request has no body; send the module as the field \"file\" of multipart/form-data");
  }
  auto form = read_multipart(request, names_of(request.route->fields));
  if (!form) return std::unexpected(form.error());
  std::string().swap(request.body);  // the form has the bytes; a large module need not be held twice
  auto texts = read_texts(*form, "expected_version");
  if (!texts) return std::unexpected(texts.error());
  if (texts->name && !engine::is_module_name(*texts->name)) {
    return refuse(ErrorCode::kBadRequest,
                  fmt::format("\"{}\" cannot name a module: 1 to {} of A-Z a-z 0-9 . _ -, the first a letter or digit",
                              shown(*texts->name), kMaxNameBytes),
                  {{"field", "name"}});
  }
  const auto dry_run = take_boolean(*form, "dry_run");
  if (!dry_run) return std::unexpected(dry_run.error());
  const auto force = take_boolean(*form, "force");
  if (!force) return std::unexpected(force.error());
  if (*force) {
    if (auto may = require_role(request.caller, Role::kAdmin, "force"); !may) return std::unexpected(may.error());
  }

  Upload upload;
  upload.mode = *dry_run ? Mode::kDryRun : Mode::kApply;
  upload.gates = *force ? Gates::kForced : Gates::kOn;
  upload.file = take(*form, "file");
  upload.config = take(*form, "config");
  upload.signature = take(*form, "signature");
  upload.name = std::move(texts->name);
  upload.expected_version = std::move(texts->version);
  upload.reason = texts->reason.value_or("");
  request.reason = upload.reason;
  upload.origin = origin_of(request);
  upload.received = request.received;
  if (auto checked = check_parts(config, upload); !checked) return std::unexpected(checked.error());
  return upload;
}

HttpResponse answer_upload(const ApiContext& context, const Upload& upload) {
  const auto result = context.reloader.reload(upload);
  if (!result) return failure_response(result.error());
  return json_response(upload.mode == Mode::kDryRun ? to_dry_run_document(*result) : to_document(*result, upload.kind));
}

HttpResponse handle_upload(const ApiContext& context, HttpRequest& request, UploadKind kind) {
  auto upload = read_upload(context.config, request);
  if (!upload) return upload.error();
  upload->kind = kind;
  return answer_upload(context, *upload);
}

}  // namespace

HttpResponse handle_reload(const ApiContext& context, HttpRequest& request) {
  return handle_upload(context, request, UploadKind::kReload);
}

HttpResponse handle_load(const ApiContext& context, HttpRequest& request) {
  return handle_upload(context, request, UploadKind::kLoad);
}

HttpResponse handle_validate(const ApiContext& context, HttpRequest& request) {
  auto upload = read_upload(context.config, request);
  if (!upload) return upload.error();
  upload->mode = Mode::kDryRun;
  return answer_upload(context, *upload);
}

HttpResponse handle_rollback(const ApiContext& context, HttpRequest& request) {
  auto form = read_any_form(request, names_of(request.route->fields));
  if (!form) return form.error();
  auto texts = read_texts(*form, "to_version");
  if (!texts) return texts.error();
  Rollback rollback;
  rollback.name = std::move(texts->name);
  rollback.to_version = std::move(texts->version);
  if (texts->reason) rollback.reason = std::move(*texts->reason);
  request.reason = rollback.reason;
  rollback.origin = origin_of(request);
  const auto result = context.reloader.rollback(rollback);
  if (!result) return failure_response(result.error());
  return json_response(to_document(*result));
}

HttpResponse handle_remove(const ApiContext& context, HttpRequest& request) {
  Form query;
  for (const std::string_view name : names_of(request.route->query)) {
    if (const auto value = request.parameter(name)) query.emplace(name, *value);
  }
  auto texts = read_texts(query, "expected_version");
  if (!texts) return texts.error();
  Removal removal;
  removal.name = request.path.substr(request.path.rfind('/') + 1);
  removal.expected_version = std::move(texts->version);
  removal.reason = texts->reason.value_or("");
  request.reason = removal.reason;
  removal.origin = origin_of(request);
  const auto result = context.reloader.remove(removal);
  if (!result) return failure_response(result.error());
  return json_response(to_document(*result));
}

}  // namespace secbeat::agent
