// hearth perplexity: how well a model predicts a text.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "evaluate/perplexity.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

struct PerplexityCommand {
  ModelOptions model;
  evaluate::PerplexityOptions options;
  std::string file, against;
  bool json = false;

  void operator()() {
    if (model.context) options.context = model.context;
    const std::string text = read_text(file);
    const auto engine = model.open();
    const auto reference =
        against.empty() ? nullptr : engine::Engine::open(hub::find_model(against), model.engine_options());
    const auto tokens = engine->tokenizer().encode(text);
    const Interrupt interrupt;
    Progress progress;
    const auto result =
        evaluate::perplexity(*engine, tokens, options, reference.get(),
                             [&](std::size_t done, std::size_t of, const evaluate::Perplexity& so_far) {
                               progress.show(fmt::format("{}/{} chunks, perplexity {:.4f}", done, of, so_far.value));
                               return !interrupt.asked();
                             });
    progress.clear();
    if (json) {
      nlohmann::ordered_json document{{"perplexity", result.value},
                                      {"error", result.error},
                                      {"tokens", result.tokens},
                                      {"chunks", result.chunks},
                                      {"context", options.context}};
      if (result.against)
        document["against"] = {{"model", against},
                               {"perplexity", result.against->reference_perplexity},
                               {"error", result.against->reference_error},
                               {"kl_divergence", result.against->mean},
                               {"kl_divergence_error", result.against->error},
                               {"kl_divergence_median", result.against->median},
                               {"kl_divergence_99", result.against->percentile_99},
                               {"kl_divergence_maximum", result.against->maximum},
                               {"top_token_agreement", result.against->top_agreement},
                               {"top_token_agreement_error", result.against->top_agreement_error}};
      print_json(document);
    } else {
      fmt::print("perplexity {:.4f} +- {:.4f} over {} tokens in {} chunks of {}\n", result.value, result.error,
                 result.tokens, result.chunks, options.context);
      if (result.against)
        fmt::print(
            "against {}: perplexity {:.4f} +- {:.4f}\n"
            "KL divergence {:.6f} +- {:.6f}, median {:.6f}, 99% below {:.6f}\n"
            "same likeliest token {:.2f} +- {:.2f}%\n",
            against, result.against->reference_perplexity, result.against->reference_error, result.against->mean,
            result.against->error, result.against->median, result.against->percentile_99,
            100 * result.against->top_agreement, 100 * result.against->top_agreement_error);
    }
    if (interrupt.asked()) throw Error(Code::cancelled, "interrupted");
  }
};

}  // namespace

void add_perplexity(CLI::App& app) {
  auto* command = app.add_subcommand("perplexity", "how well a model predicts a text");
  auto run = std::make_shared<PerplexityCommand>();
  run->model.add_to(*command);
  command->get_option("--context")->description("tokens in a chunk (default: 512)");
  run->model.add_rope_to(*command);
  command->add_option("--file", run->file, "the text")->required();
  command->add_option("--chunks", run->options.chunks, "at most so many (default: all)");
  command->add_option("--against", run->against, "a reference MODEL: KL divergence and top-token agreement too");
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
