#include "text/chat_template.h"

#include "capi/arguments.h"
#include "capi/model.h"
#include "capi/template_variables.h"

using namespace hearth;
using namespace hearth::capi;

hearth_status hearth_render_chat(hearth_model* model, const char* messages, const char* tools, const char* variables,
                                 char** text, size_t* length, hearth_error** error) {
  return guard(error, [&] {
    need(text, "text");
    *text = nullptr;
    if (length) *length = 0;
    const auto opened = get(model);
    const auto conversation = json(messages, nlohmann::json::value_t::array, "messages");
    const auto extra = template_variables(tools, variables);
    give_text(opened->engine()->chat_prompt().render(conversation, extra), text, length);
  });
}

hearth_status hearth_render_template(const char* source, const char* context, char** text, size_t* length,
                                     hearth_error** error) {
  return guard(error, [&] {
    need(text, "text");
    *text = nullptr;
    if (length) *length = 0;
    const auto values = json(context, nlohmann::json::value_t::object, "context");
    give_text(text::ChatTemplate(utf8(source, "source")).render(values), text, length);
  });
}
