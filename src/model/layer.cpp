// One layer: attention and feed-forward around the residual stream, wired as the family's row says.
#include <algorithm>
#include <cstring>

#include "model/transformer.h"
#include "ops/activation.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/parallel.h"

namespace hearth::model {

namespace {

constexpr std::size_t short_context = 256;

// Moves row from[i] to row i; `from` ascends.
template <class Sources>
tensor::Rows gather(tensor::Rows rows, const Sources& for_each_source) {
  std::size_t to = 0;
  for_each_source([&](std::size_t from) {
    if (from != to) std::memcpy(rows.row(to), rows.row(from), rows.width * sizeof(float));
    ++to;
  });
  rows.count = to;
  return rows;
}

}  // namespace

void Transformer::layer(Step& step, std::size_t index) const {
  const LayerWeights& w = weights_.layers[index];
  step.keep(Point::layer_input, index, step.x);
  tensor::Rows n = step.x;
  if (w.attention_norm) {
    n = step.scratch.normed.rows(step.x.count, h_.width);
    normalize(step, w.attention_norm, step.x, n);
  }
  step.keep(Point::attention_input, index, n);
  const tensor::Rows attended = attention(step, index, n);
  if (attended.count == 0) return;  // the last layer of a batch of which nobody wants a row
  step.keep(Point::attended, index, attended);

  if (h_.wiring == Wiring::parallel_two) normalize(step, w.ffn_norm, step.x, n);  // before attention joins x
  // x += scale * norm(branch), through a buffer only where something stands between.
  const auto join = [&](const NormWeight& branch_norm, Point point, auto&& branch) {
    if (!branch_norm && h_.residual_scale == 1) return branch(step.x, true);
    const tensor::Rows y = step.scratch.branch.rows(step.x.count, h_.width);
    branch(y, false);
    step.keep(point, index, y);
    if (branch_norm) normalize(step, branch_norm, y, y);
    ops::add(step.pool, step.x, y, h_.residual_scale);
  };
  join(w.attention_branch_norm, Point::attention_branch, [&](tensor::Rows y, bool accumulate) {
    multiply(step, attended, {{w.output, y, accumulate}});
  });
  step.keep(Point::middle, index, step.x);
  if (w.attention_residual_norm) normalize(step, w.attention_residual_norm, step.x, step.x);
  if (!h_.parallel()) {
    n = step.x;
    if (w.ffn_norm) {
      n = step.scratch.normed.rows(step.x.count, h_.width);
      normalize(step, w.ffn_norm, step.x, n);
    }
  }
  step.keep(Point::ffn_input, index, n);
  join(w.ffn_branch_norm, Point::ffn_branch,
       [&](tensor::Rows y, bool accumulate) { feed_forward(step, index, n, y, accumulate); });
  step.keep(Point::layer_output, index, step.x);
  if (w.ffn_residual_norm) normalize(step, w.ffn_residual_norm, step.x, step.x);
}

tensor::Rows Transformer::attention(Step& step, std::size_t index, tensor::Rows& n) const {
  const LayerWeights& w = weights_.layers[index];
  const std::size_t count = n.count, query_width = h_.heads * h_.key_width, key_width = h_.heads_kv * h_.key_width,
                    value_width = h_.heads_kv * h_.value_width, attended_width = h_.heads * h_.value_width;
  float* const memory = step.scratch.work.floats(count * (query_width + key_width + value_width + attended_width));
  const tensor::Rows keys{memory, count, key_width};
  const tensor::Rows values{memory + count * key_width, count, value_width};
  tensor::Rows queries{values.data + count * value_width, count, query_width};
  const bool cut = step.cut && index + 1 == h_.layers;

  if (cut)
    multiply(step, n, {{w.key, keys}, {w.value, values}});
  else
    multiply(step, n, {{w.query, queries}, {w.key, keys}, {w.value, values}});
  clamp(step, keys);
  clamp(step, values);
  step.keep(Point::keys, index, keys);
  step.keep(Point::values, index, values);
  norm_query_or_key(step, w.key_norm, keys, h_.heads_kv);
  rotate(step, index, keys, h_.heads_kv);
  step.keep(Point::rotated_keys, index, keys);
  store(step, index, keys, values);

  if (cut) {
    keep_wanted(step, n);
    queries.count = n.count;
    if (n.count == 0) return queries;
    multiply(step, n, {{w.query, queries}});
  }
  clamp(step, queries);
  step.keep(Point::queries, index, queries);
  norm_query_or_key(step, w.query_norm, queries, h_.heads);
  rotate(step, index, queries, h_.heads);
  step.keep(Point::rotated_queries, index, queries);
  const tensor::Rows attended{queries.data + count * query_width, queries.count, attended_width};
  attend(step, index, queries, attended);
  return attended;
}

// From here on only wanted rows go on: x, n, positions and pieces forget the others.
void Transformer::keep_wanted(Step& step, tensor::Rows& n) const {
  Model::Scratch& s = step.scratch;
  const auto wanted = [&](auto&& take) {
    for (const Piece& piece : s.pieces)
      for (std::size_t i = 0; i < piece.wanted_count; ++i) take(piece.row + piece.wanted_begin + i);
  };
  const bool same = n.data == step.x.data;
  step.x = gather(step.x, wanted);
  n = same ? step.x : gather(n, wanted);
  std::size_t to = 0;
  wanted([&](std::size_t from) { s.positions[to++] = s.positions[from]; });
  std::size_t row = 0;
  for (Piece& piece : s.pieces) {
    piece.first += piece.wanted_begin;
    piece.row = row;
    piece.count = piece.wanted_count;
    piece.wanted_begin = 0;
    row += piece.count;
  }
  choose_care(step);
}

void Transformer::norm_query_or_key(Step& step, const NormWeight& weight, tensor::Rows x, std::size_t heads) const {
  switch (h_.qk_norm) {
    case QkNorm::none:
      return;
    case QkNorm::whole:
      return normalize(step, weight, x, x);
    case QkNorm::per_head:
      if (family_.norm == Norm::rms) return ops::rms_norm_heads(step.pool, x, heads, weight.weight, h_.norm_epsilon);
      [[fallthrough]];
    case QkNorm::each_head:
      for (std::size_t head = 0; head < heads; ++head) {
        const std::size_t offset = head * h_.key_width;
        const tensor::Rows slice{x.data + offset, x.count, h_.key_width, x.stride};
        normalize(step, {.weight = weight.weight + (h_.qk_norm == QkNorm::each_head ? offset : 0), .bias = weight.bias},
                  slice, slice);
      }
  }
}

void Transformer::rotate(Step& step, std::size_t index, tensor::Rows x, std::size_t heads) const {
  const std::span<const std::int32_t> positions(step.scratch.positions);
  if (!long_rotation_) {
    if (const ops::Rope* rotation = rope(index, 0)) rotation->forward(step.pool, x, heads, positions.first(x.count));
    return;
  }
  for (const Piece& piece : step.scratch.pieces)  // each by the size of its own context
    if (const ops::Rope* rotation = rope(index, piece.cache ? piece.cache->capacity() : piece.count);
        rotation && piece.count != 0)
      rotation->forward(step.pool, {x.row(piece.row), piece.count, x.width, x.stride}, heads,
                        positions.subspan(piece.row, piece.count));
}

void Transformer::clamp(Step& step, tensor::Rows x) const {
  const float limit = h_.qkv_clamp;
  if (limit == 0) return;
  ops::for_rows(step.pool, x.count, x.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      for (float *value = x.row(i), *last = value + x.width; value != last; ++value)
        *value = std::clamp(*value, -limit, limit);
  });
}

// An encoder's piece keeps its keys and values beside each other, for this layer only.
ops::KvView Transformer::cache_of(Step& step, const Piece& piece, std::size_t index) const {
  if (piece.cache) return piece.cache->layer(index);
  const std::size_t key_bytes = h_.heads_kv * h_.key_width * sizeof(float),
                    value_bytes = h_.heads_kv * h_.value_width * sizeof(float);
  std::byte* const memory =
      step.scratch.encoder_cache.bytes(step.scratch.positions.size() * (key_bytes + value_bytes)) +
      piece.encoder_row * (key_bytes + value_bytes);
  return {.type = ops::KvType::f32,
          .keys = memory,
          .values = memory + piece.tokens.size() * key_bytes,
          .heads_kv = h_.heads_kv,
          .capacity = piece.tokens.size(),
          .key_width = h_.key_width,
          .value_width = h_.value_width};
}

void Transformer::store(Step& step, std::size_t index, tensor::ConstRows keys, tensor::ConstRows values) const {
  for (const Piece& piece : step.scratch.pieces)
    ops::store_kv(step.pool, cache_of(step, piece, index), piece.first,
                  {keys.row(piece.row), piece.count, keys.width, keys.stride},
                  {values.row(piece.row), piece.count, values.width, values.stride});
}

void Transformer::attend(Step& step, std::size_t index, tensor::ConstRows queries, tensor::Rows attended) const {
  std::vector<ops::AttentionJob>& jobs = step.scratch.jobs;
  jobs.clear();
  for (const Piece& piece : step.scratch.pieces) {
    if (piece.count == 0) continue;
    jobs.push_back({.queries = {queries.row(piece.row), piece.count, queries.width, queries.stride},
                    .output = {attended.row(piece.row), piece.count, attended.width, attended.stride},
                    .cache = cache_of(step, piece, index),
                    .first = piece.first});
  }
  ops::AttentionOptions options = attention_options(index);
  // A short prompt's answer should be the exact one; words pay where there is much to attend to.
  options.exact = ops::is_measured(step.care) ||
                  std::all_of(step.scratch.pieces.begin(), step.scratch.pieces.end(),
                              [](const Piece& piece) { return piece.first + piece.count <= short_context; });
  ops::attention(step.pool, options, jobs);
}

void Transformer::feed_forward(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y,
                               bool accumulate) const {
  const std::size_t most = rows_at_once();  // an encoder's batch may be longer
  for (std::size_t begin = 0; begin < n.count; begin += most) {
    const std::size_t count = std::min(most, n.count - begin);
    const tensor::ConstRows from{n.row(begin), count, n.width, n.stride};
    const tensor::Rows to{y.row(begin), count, y.width, y.stride};
    if (h_.mixture.experts == 0)
      dense(step, index, from, to, accumulate);
    else
      mixture(step, index, from, to, accumulate);
  }
}

void Transformer::dense(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y, bool accumulate) const {
  const LayerWeights& w = weights_.layers[index];
  float* const memory = step.scratch.work.floats(2 * n.count * h_.feed_forward);
  const tensor::Rows up{memory, n.count, h_.feed_forward};
  tensor::Rows inner = up;
  if (w.gate) {
    inner.data += n.count * h_.feed_forward;
    multiply(step, n, {{w.gate, inner}, {w.up, up}});
    step.keep(Point::gate, index, inner);
  } else {
    multiply(step, n, {{w.up, up}});
  }
  step.keep(Point::up, index, up);
  if (w.gate)
    ops::activate_gated(step.pool, family_.activation, inner, up);
  else
    ops::activate(step.pool, family_.activation, inner);
  if (w.activation_scale)
    for (std::size_t i = 0; i < inner.count; ++i)
      for (std::size_t j = 0; j < inner.width; ++j) inner.row(i)[j] /= w.activation_scale[j];
  step.keep(Point::activated, index, inner);
  multiply(step, inner, {{w.down, y, accumulate}});
}

}  // namespace hearth::model
