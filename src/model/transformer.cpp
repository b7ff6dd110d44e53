#include "model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "model/adapter.h"
#include "ops/activation.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/parallel.h"

namespace hearth::model {

namespace {

// One slope a head, a geometric series; heads beyond a power of two take every other one of the next series.
// [arXiv 2108.12409, and its code]
std::vector<float> alibi_slopes(std::size_t heads, float bias) {
  const std::size_t power = std::bit_floor(heads);
  std::vector<float> slopes(heads);
  for (std::size_t i = 0; i < heads; ++i) {
    const double step = i < power ? static_cast<double>(i + 1) : static_cast<double>(2 * (i - power) + 1) / 2;
    slopes[i] = static_cast<float>(std::exp2(-bias * step / static_cast<double>(power)));
  }
  return slopes;
}

}  // namespace

Transformer::Transformer(const Family& family, const Hyperparameters& hyperparameters, const Weights& weights)
    : family_(family), h_(hyperparameters), weights_(weights) {
  const Rotary& rotary = h_.rotary;
  if (rotary.dimensions != 0) {
    const bool by_context = weights.rope_factors.empty() && !weights.rope_factors_long.empty();
    rotation_ = make_rotation(rotary.base, true, by_context ? weights.rope_factors_short : weights.rope_factors);
    if (by_context) long_rotation_ = make_rotation(rotary.base, true, weights.rope_factors_long);
    if (family.local_rope == LocalRope::unscaled) local_rotation_ = make_rotation(rotary.local_base, false, {});
  }
  if (h_.alibi_bias != 0) slopes_ = alibi_slopes(h_.heads, h_.alibi_bias);
}

Transformer::Rotation Transformer::make_rotation(float base, bool scaled, std::span<const float> factors) const {
  const Rotary& rotary = h_.rotary;
  ops::RopeOptions options{.dimensions = rotary.dimensions,
                           .frequency_base = base,
                           .pairs_adjacent = family_.position == Position::rope_pairs,
                           .frequency_factors = factors};
  ops::RopeOptions turn = options;
  if (scaled) {
    options.scaling = rotary.scaling;
    options.factor = rotary.factor;
    options.original_context = static_cast<float>(rotary.original_context);
    options.extension_factor = rotary.extension_factor;
    options.beta_fast = rotary.beta_fast;
    options.beta_slow = rotary.beta_slow;
    if (rotary.scaling != ops::RopeScaling::yarn && rotary.attention_factor != 1) {
      options.scaling = ops::RopeScaling::yarn;  // which knows a factor on the magnitude, here without its ramp
      options.extension_factor = 0;
    }
    turn = options;
    options.attention_factor = rotary.attention_factor;
    if (options.extension_factor != 0) turn.attention_factor = 1 / (1 + 0.1f * std::log(rotary.factor));
  }
  return {.rope = ops::Rope(options), .turn = ops::Rope(turn)};
}

const Transformer::Rotation* Transformer::rotation_of(std::size_t layer, std::size_t context) const {
  if (!h_.rotated[layer] || !rotation_) return nullptr;
  if (h_.sliding[layer] && local_rotation_) return &*local_rotation_;
  return long_rotation_ && context > h_.rotary.original_context ? &*long_rotation_ : &*rotation_;
}

ops::AttentionOptions Transformer::attention_options(std::size_t layer) const {
  return {.heads = h_.heads,
          .scale = h_.attention_scale,
          .softcap = h_.attention_softcap,
          .window = h_.sliding[layer] ? h_.window : 0,
          .causal = h_.causal,
          .slopes = slopes_.empty() ? nullptr : slopes_.data()};
}

void Transformer::check(std::span<const Segment> segments, tensor::Rows out, const ForwardOptions& options) const {
  const bool gives_logits = weights_.output && !options.hidden_states;
  std::size_t wanted = 0, tokens = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    HEARTH_CHECK(!segment.tokens.empty());
    HEARTH_CHECK((segment.cache == nullptr) == (family_.mask == Mask::both_ways));
    for (std::size_t j = 0; j < i; ++j) HEARTH_CHECK(!segment.cache || segment.cache != segments[j].cache);
    const std::size_t used = segment.cache ? segment.cache->used() : 0;
    std::size_t most = segment.cache ? segment.cache->capacity() : h_.context_length;
    if (weights_.position_embedding) most = std::min(most, weights_.position_embedding.rows);
    if (segment.tokens.size() > most - std::min(used, most))
      throw Error(Code::too_long,
                  fmt::format("{} tokens after {} do not fit a context of {}", segment.tokens.size(), used, most));
    for (const Token token : segment.tokens)
      if (token < 0 || static_cast<std::size_t>(token) >= h_.vocabulary)
        throw Error(Code::bad_input, fmt::format("token {} lies outside the vocabulary of {}", token, h_.vocabulary));
    tokens += segment.tokens.size();
    wanted += segment.want == Segment::Want::none ? 0 : segment.want == Segment::Want::last ? 1 : segment.tokens.size();
  }
  HEARTH_CHECK(out.count == wanted);
  HEARTH_CHECK(wanted == 0 || out.width == (gives_logits ? h_.vocabulary : h_.width));
  const auto& [begin, end, stream] = options.layers;
  HEARTH_CHECK(end >= h_.layers || wanted == 0);
  HEARTH_CHECK((begin == 0 && end >= h_.layers) || (stream.count == tokens && stream.width == h_.width));
}

// As many rows as keep working memory below a bound, whatever the model.
std::size_t Transformer::rows_at_once() const {
  constexpr std::size_t most_rows = 512, most_bytes = 64 << 20, grain = 32;
  const std::size_t attention = (h_.heads + h_.heads_kv) * (h_.key_width + h_.value_width);
  const std::size_t inner = h_.mixture.experts == 0 ? 2 * h_.feed_forward : 2 * (h_.mixture.feed_forward + h_.width);
  const std::size_t row_bytes = (3 * h_.width + std::max(attention, inner)) * sizeof(float);
  return std::clamp(most_bytes / row_bytes / grain * grain, grain, most_rows);
}

void Transformer::forward(ThreadPool& pool, std::span<const Segment> segments, Model::Scratch& scratch,
                          tensor::Rows out, const ForwardOptions& options) const {
  check(segments, out, options);
  const std::size_t most = rows_at_once();
  std::size_t rows = 0, done = 0, done_rows = 0;
  scratch.pieces.clear();
  const auto run = [&] {
    std::size_t wanted = 0;
    for (const Piece& piece : scratch.pieces) wanted += piece.wanted_count;
    forward_pieces(pool, scratch, {out.row(done), wanted, out.width, out.stride}, options, done_rows);
    done += wanted;
    done_rows += rows;
    rows = 0;
    scratch.pieces.clear();
  };
  for (const Segment& segment : segments) {
    const std::size_t total = segment.tokens.size();
    const std::size_t used = segment.cache ? segment.cache->used() : 0;
    // An encoder's text stays whole: every token sees every other.
    if (!segment.cache && rows != 0 && rows + total > most) run();
    for (std::size_t begin = 0; begin < total;) {
      const std::size_t count = segment.cache ? std::min(total - begin, most - rows) : total;
      Piece piece{.cache = segment.cache, .tokens = segment.tokens.subspan(begin, count), .row = rows, .count = count};
      piece.first = used + begin;
      piece.encoder_row = rows;
      const bool ends = begin + count == total;
      if (segment.want == Segment::Want::all || (segment.want == Segment::Want::last && ends)) {
        piece.wanted_begin = segment.want == Segment::Want::all ? 0 : count - 1;
        piece.wanted_count = count - piece.wanted_begin;
      }
      scratch.pieces.push_back(piece);
      rows += count;
      begin += count;
      if (rows >= most) run();
    }
  }
  if (rows != 0) run();
}

void Transformer::forward_pieces(ThreadPool& pool, Model::Scratch& scratch, tensor::Rows out,
                                 const ForwardOptions& options, std::size_t first) const {
  scratch.positions.clear();
  for (const Piece& piece : scratch.pieces)
    for (std::size_t i = 0; i < piece.count; ++i)
      scratch.positions.push_back(static_cast<std::int32_t>(piece.first + i));
  const std::size_t rows = scratch.positions.size();
  Step step{.pool = pool,
            .scratch = scratch,
            .options = options,
            .x = scratch.residual.rows(rows, h_.width),
            .cut = out.count != rows && !options.observer && !options.tape,
            .prompts = std::any_of(scratch.pieces.begin(), scratch.pieces.end(),
                                   [](const Piece& piece) { return piece.count > ops::few_tokens(); }),
            .care = {}};
  choose_care(step);
  const auto [begin, end, stream] = options.layers;
  if (begin == 0)
    embed(step);
  else
    for (std::size_t i = 0; i < rows; ++i) std::memcpy(step.x.row(i), stream.row(first + i), h_.width * sizeof(float));
  for (std::size_t i = begin; i < std::min(end, h_.layers); ++i) layer(step, i);
  for (const Piece& piece : scratch.pieces)
    if (piece.cache) piece.cache->commit(piece.tokens.size());
  if (end < h_.layers) {
    for (std::size_t i = 0; i < rows; ++i) std::memcpy(stream.row(first + i), step.x.row(i), h_.width * sizeof(float));
    return;
  }
  if (out.count == 0) return;
  if (step.x.count != out.count) {
    tensor::Rows none = step.x;
    keep_wanted(step, none);
  }
  head(step, out);
}

// A prompt's rows are computed more exactly where they are few, all of a short one or those that are left at the end:
// that costs little, and all that follows depends on them.
void Transformer::choose_care(Step& step) const {
  constexpr std::size_t few_rows = 64;
  const ops::Care usual = family_.mask == Mask::both_ways            ? ops::Care::outliers
                          : step.prompts && step.x.count <= few_rows ? ops::Care::prompt
                                                                     : ops::Care::nobody;
  step.care = step.options.care.value_or(usual);
}

void Transformer::embed(Step& step) const {
  const Model::Scratch& s = step.scratch;
  const tensor::Matrix& tokens = weights_.token_embedding;
  const tensor::Matrix& places = weights_.position_embedding;
  const tensor::Rows place = places ? step.scratch.normed.rows(step.x.count, h_.width) : tensor::Rows{};
  for (const Piece& piece : s.pieces)
    ops::for_rows(step.pool, piece.count, h_.width, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        float* const x = step.x.row(piece.row + i);
        tensor::info(tokens.type).decode(tokens.row(static_cast<std::size_t>(piece.tokens[i])), x, h_.width);
        for (std::size_t j = 0; j < h_.width; ++j) x[j] *= h_.embedding_scale;
        for (std::size_t j = 0; weights_.token_type && j < h_.width; ++j) x[j] += weights_.token_type[j];
        if (!places) continue;
        float* const added = place.row(piece.row + i);
        tensor::info(places.type).decode(places.row(piece.first + i), added, h_.width);
        for (std::size_t j = 0; j < h_.width; ++j) x[j] += added[j];
      }
    });
  if (weights_.embedding_norm) normalize(step, weights_.embedding_norm, step.x, step.x);
}

void Transformer::head(Step& step, tensor::Rows out) const {
  step.keep(Point::output_input, h_.layers, step.x);
  if (!weights_.output || step.options.hidden_states) {
    if (weights_.output_norm) return normalize(step, weights_.output_norm, step.x, out);
    for (std::size_t i = 0; i < out.count; ++i) std::memcpy(out.row(i), step.x.row(i), h_.width * sizeof(float));
    return;
  }
  const tensor::Rows n = step.scratch.normed.rows(step.x.count, h_.width);
  normalize(step, weights_.output_norm, step.x, n);
  step.keep(Point::output_normed, h_.layers, n);
  if (!screened(step, n, out)) multiply(step, n, {{weights_.output, out}});
  if (h_.logit_scale != 1) ops::scale(step.pool, out, h_.logit_scale);
  if (h_.logit_softcap != 0) ops::softcap(step.pool, out, h_.logit_softcap);
}

// The logits by ForwardOptions::best, where that leads to the same tokens for less: not where somebody looks at each
// product, nor where an adapter changes this one. Scaled and capped, greater logits stay the greater ones.
bool Transformer::screened(Step& step, tensor::ConstRows n, tensor::Rows out) const {
  const ForwardOptions& options = step.options;
  const auto& [best, screen] = options.best;
  const auto changes_output = [&](const ActiveAdapter& active) {
    return active.adapter->find(weights_.output.id) != nullptr;
  };
  if (!screen || !screen->fits(n.count, best) || options.observer || options.tape || options.care ||
      h_.logit_scale <= 0 || std::ranges::any_of(options.adapters, changes_output))
    return false;
  screen->grow(step.pool, n);
  return screen->greatest(step.pool, n, best, out, step.care);
}

void Transformer::normalize(Step& step, const NormWeight& weight, tensor::ConstRows x, tensor::Rows y) const {
  if (family_.norm == Norm::rms)
    ops::rms_norm(step.pool, x, weight.weight, h_.norm_epsilon, y);
  else
    ops::layer_norm(step.pool, x, weight.weight, weight.bias, h_.norm_epsilon, y);
}

void Transformer::multiply(Step& step, tensor::ConstRows x, std::initializer_list<Output> outputs,
                           std::size_t expert) const {
  std::array<ops::Product, 3> products;
  std::size_t count = 0;
  std::uint32_t observed = 0;
  for (const Output& output : outputs) {
    const Linear& linear = output.linear;
    products[count] = {
        .weight = linear.weight, .output = output.y, .bias = linear.bias, .accumulate = output.accumulate};
    if (step.options.observer && (count == 0 || linear.id != observed))
      (*step.options.observer)(weights_.names[linear.id], expert, x);
    observed = linear.id;
    ++count;
  }
  ops::matmul(step.pool, x, {products.data(), count}, step.care);

  for (const ActiveAdapter& active : step.options.adapters)
    for (const Output& output : outputs)
      if (const LowRank* low_rank = active.adapter->find(output.linear.id); low_rank && active.scale != 0) {
        const tensor::Rows inner = step.scratch.low_rank.rows(x.count, low_rank->a.rows);
        const ops::Product into{.weight = low_rank->a, .output = inner};
        ops::matmul(step.pool, x, {&into, 1}, step.care);
        ops::scale(step.pool, inner, active.scale * low_rank->scale);
        const ops::Product back{.weight = low_rank->b.slice(output.linear.first_row, output.y.width),
                                .output = output.y,
                                .accumulate = true};
        ops::matmul(step.pool, inner, {&back, 1}, step.care);
      }
}

}  // namespace hearth::model
