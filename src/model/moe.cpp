// A mixture of experts: each token's feed-forward is a weighted sum of a few of many. [arXiv 2101.03961, 2401.04088]
#include <algorithm>
#include <cstring>
#include <numeric>

#include "model/transformer.h"
#include "ops/activation.h"

namespace hearth::model {

// Tokens are taken expert by expert, so that each routed expert's weights are read once and the others never.
void Transformer::mixture(Step& step, std::size_t index, tensor::ConstRows n, tensor::Rows y, bool accumulate) const {
  const Experts& experts = weights_.layers[index].experts;
  Model::Scratch& s = step.scratch;
  route(step, experts, n);
  if (!accumulate)
    for (std::size_t i = 0; i < y.count; ++i) std::fill_n(y.row(i), y.width, 0.0f);

  std::size_t most = 0;
  for (std::size_t e = 0; e < h_.mixture.experts; ++e)
    most = std::max<std::size_t>(most, s.route_begins[e + 1] - s.route_begins[e]);
  float* const memory = s.expert_rows.floats(2 * most * h_.width);
  for (std::size_t e = 0; e < h_.mixture.experts; ++e) {
    const std::size_t begin = s.route_begins[e], count = s.route_begins[e + 1] - begin;
    if (count == 0) continue;
    const tensor::Rows x{memory, count, h_.width}, result{memory + most * h_.width, count, h_.width};
    for (std::size_t i = 0; i < count; ++i) std::memcpy(x.row(i), n.row(s.routes[begin + i]), h_.width * sizeof(float));
    expert(step, experts, e, x, result);
    for (std::size_t i = 0; i < count; ++i)
      ops::add(step.pool, {y.row(s.routes[begin + i]), 1, h_.width}, {result.row(i), 1, h_.width},
               s.route_weights[begin + i]);
  }
}

// Fills scratch.routes with the rows of each expert, one expert after another, and route_weights beside it.
void Transformer::route(Step& step, const Experts& experts, tensor::ConstRows n) const {
  const Mixture& m = h_.mixture;
  Model::Scratch& s = step.scratch;
  const tensor::Rows shares = s.work.rows(n.count, m.experts);
  multiply(step, n, {{experts.router, shares}});
  ops::softmax(step.pool, shares);

  s.route_begins.assign(m.experts + 1, 0);
  std::vector<std::uint32_t>& chosen = s.chosen;
  chosen.resize(n.count * m.used);
  s.order.resize(m.experts);
  for (std::size_t i = 0; i < n.count; ++i) {
    const float* const share = shares.row(i);
    std::iota(s.order.begin(), s.order.end(), 0u);
    std::partial_sort(
        s.order.begin(), s.order.begin() + static_cast<std::ptrdiff_t>(m.used), s.order.end(),
        [&](std::uint32_t a, std::uint32_t b) { return share[a] > share[b] || (share[a] == share[b] && a < b); });
    std::copy_n(s.order.begin(), m.used, chosen.begin() + static_cast<std::ptrdiff_t>(i * m.used));
    for (std::size_t k = 0; k < m.used; ++k) ++s.route_begins[s.order[k] + 1];
  }
  std::partial_sum(s.route_begins.begin(), s.route_begins.end(), s.route_begins.begin());

  s.routes.resize(chosen.size());
  s.route_weights.resize(chosen.size());
  s.order.assign(s.route_begins.begin(), s.route_begins.end() - 1);  // where each expert's next row goes
  for (std::size_t i = 0; i < n.count; ++i) {
    const std::uint32_t* const mine = chosen.data() + i * m.used;
    float sum = 0;
    for (std::size_t k = 0; k < m.used; ++k) sum += shares.row(i)[mine[k]];
    const float scale = m.scale / (m.normalised ? std::max(sum, 0x1p-14f) : 1.0f);
    for (std::size_t k = 0; k < m.used; ++k) {
      const std::uint32_t at = s.order[mine[k]]++;
      s.routes[at] = static_cast<std::uint32_t>(i);
      s.route_weights[at] = shares.row(i)[mine[k]] * scale;
    }
  }
}

void Transformer::expert(Step& step, const Experts& experts, std::size_t index, tensor::ConstRows n,
                         tensor::Rows y) const {
  const std::size_t inner = h_.mixture.feed_forward;
  float* const memory = step.scratch.work.floats(2 * n.count * inner);
  const tensor::Rows gate{memory, n.count, inner}, up{memory + n.count * inner, n.count, inner};
  multiply(step, n, {{experts.gate[index], gate}, {experts.up[index], up}}, index);
  ops::activate_gated(step.pool, family_.activation, gate, up);
  multiply(step, gate, {{experts.down[index], y}}, index);
}

}  // namespace hearth::model
