// The one transformer: interprets a family's row over a batch of tokens and their caches. For this room and training.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/model.h"
#include "model/scratch.h"
#include "model/tape.h"
#include "model/weights.h"
#include "ops/matmul.h"
#include "ops/rope.h"

namespace hearth::model {

class Transformer {
 public:
  Transformer(const Family& family, const Hyperparameters& hyperparameters, const Weights& weights);

  // See Model::forward.
  void forward(ThreadPool& pool, std::span<const Segment> segments, Model::Scratch& scratch, tensor::Rows out,
               const ForwardOptions& options) const;

  // See Model::forget.
  void forget(ThreadPool& pool, KvCache& cache, std::size_t first, std::size_t count) const;

  // What each layer computes with, for whoever runs it backwards.
  ops::AttentionOptions attention_options(std::size_t layer) const;
  // Null where the layer does not rotate; `context` is the cache's capacity.
  const ops::Rope* rope(std::size_t layer, std::size_t context) const {
    const Rotation* const rotation = rotation_of(layer, context);
    return rotation ? &rotation->rope : nullptr;
  }

 private:
  // One pass through the layers.
  struct Step {
    ThreadPool& pool;
    Model::Scratch& scratch;
    const ForwardOptions& options;
    tensor::Rows x;  // the residual stream [tokens, width]
    bool cut;        // unwanted rows are left behind in the last layer
    bool prompts;    // whether a piece is a prompt's
    ops::Care care;  // see choose_care

    void keep(Point point, std::size_t layer, tensor::ConstRows rows) const {
      if (options.tape) options.tape->keep(point, layer, rows);
    }
  };
  struct Rotation {
    ops::Rope rope;
    ops::Rope turn;  // the same angles, for what was rotated before: without a factor on the magnitude
  };
  struct Output {
    const Linear& linear;
    tensor::Rows y;
    bool accumulate = false;
  };

  Rotation make_rotation(float base, bool scaled, std::span<const float> factors) const;
  const Rotation* rotation_of(std::size_t layer, std::size_t context) const;
  void check(std::span<const Segment> segments, tensor::Rows out, const ForwardOptions& options) const;
  std::size_t rows_at_once() const;
  // The batch's rows begin with row `first` of all that `options` speak of.
  void forward_pieces(ThreadPool& pool, Model::Scratch& scratch, tensor::Rows out, const ForwardOptions& options,
                      std::size_t first) const;
  void embed(Step& step) const;
  void head(Step& step, tensor::Rows out) const;
  bool screened(Step& step, tensor::ConstRows n, tensor::Rows out) const;

  void layer(Step& step, std::size_t index) const;
  // Writes the attended rows; may leave rows of x and of `n`, the layer's normed input, behind.
  tensor::Rows attention(Step& step, std::size_t index, tensor::Rows& n) const;
  void norm_query_or_key(Step& step, const NormWeight& weight, tensor::Rows x, std::size_t heads) const;
  void rotate(Step& step, std::size_t index, tensor::Rows x, std::size_t heads) const;
  void clamp(Step& step, tensor::Rows x) const;
  void store(Step& step, std::size_t index, tensor::ConstRows keys, tensor::ConstRows values) const;
  void attend(Step& step, std::size_t index, tensor::ConstRows queries, tensor::Rows attended) const;
  void keep_wanted(Step& step, tensor::Rows& n) const;
  void choose_care(Step& step) const;
  ops::KvView cache_of(Step& step, const Piece& piece, std::size_t index) const;

  // y = F(n) or y += F(n).
  void feed_forward(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y, bool accumulate) const;
  void dense(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y, bool accumulate) const;
  void mixture(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y, bool accumulate) const;  // moe.cpp
  void route(Step& step, const Experts& experts, tensor::ConstRows n) const;
  void expert(Step& step, const Experts& experts, std::size_t index, tensor::ConstRows n, tensor::Rows y) const;

  // All products share x.
  void multiply(Step& step, tensor::ConstRows x, std::initializer_list<Output> outputs, std::size_t expert = 0) const;
  void normalize(Step& step, const NormWeight& weight, tensor::ConstRows x, tensor::Rows y) const;

  const Family& family_;
  const Hyperparameters& h_;
  const Weights& weights_;
  std::optional<Rotation> rotation_, long_rotation_, local_rotation_;
  std::vector<float> slopes_;
};

}  // namespace hearth::model
