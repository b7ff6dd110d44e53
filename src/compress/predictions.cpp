#include "compress/predictions.h"

#include <algorithm>

#include "base/error.h"
#include "ops/activation.h"

namespace hearth::compress {

namespace {

constexpr std::size_t rows_at_once = 128;  // of logits
constexpr std::size_t to_the_end = ~std::size_t{0};

}  // namespace

Predictions::Predictions(const model::Model& model, ThreadPool& pool, std::span<const Token> text, Token bos,
                         std::size_t context, std::size_t skipped)
    : model_(model),
      pool_(pool),
      context_(context),
      skipped_(skipped),
      cache_(model.new_cache(context)),
      scratch_(model::Model::new_scratch()),
      logits_(rows_at_once * model.vocabulary_size()) {
  HEARTH_CHECK(skipped < context && text.size() >= context);
  tokens_.assign(text.begin(), text.end() - std::ptrdiff_t(text.size() % context));
  for (std::size_t at = 0; bos != no_token && at < tokens_.size(); at += context) tokens_[at] = bos;
  stream_.resize(tokens_.size() * model.width());
}

void Predictions::run(const std::function<void(std::size_t, tensor::ConstRows)>& take) {
  for (std::size_t chunk = 0; chunk < tokens_.size(); chunk += context_) {
    cache_->truncate(0);
    if (skipped_ != 0) forward(chunk, skipped_, model::Segment::Want::none, {}, to_the_end);
    for (std::size_t at = chunk + skipped_, end = chunk + context_; at < end; at += rows_at_once) {
      const tensor::Rows rows(logits_.data(), std::min(rows_at_once, end - at), model_.vocabulary_size());
      forward(at, rows.count, model::Segment::Want::all, rows, to_the_end);
      ops::log_softmax(pool_, rows);
      take(at, rows);
    }
  }
}

void Predictions::advance_to(std::size_t layer) {
  if (layer <= layer_) return;
  for (std::size_t chunk = 0; chunk < tokens_.size(); chunk += context_) {
    cache_->truncate(0);
    forward(chunk, context_, model::Segment::Want::none, {}, layer);
  }
  layer_ = layer;
}

void Predictions::forward(std::size_t at, std::size_t count, model::Segment::Want want, tensor::Rows out,
                          std::size_t end) {
  const model::Segment segment{
      .cache = cache_.get(), .tokens = std::span<const Token>(tokens_).subspan(at, count), .want = want};
  const std::size_t width = model_.width();
  const model::ForwardOptions options{.care = ops::Care::outliers,
                                      .layers = {layer_, end, {stream_.data() + at * width, count, width}}};
  model_.forward(pool_, {&segment, 1}, *scratch_, out, options);
}

}  // namespace hearth::compress
