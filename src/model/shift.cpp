// Makes room in a full cache: a stretch of positions is forgotten, later ones move down. [attention sinks: arXiv
// 2309.17453]
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/transformer.h"

namespace hearth::model {

namespace {

// Every head's rows [from, from + count) to [to, to + count).
void move_rows(const ops::KvView& view, std::byte* rows, std::size_t width, std::size_t from, std::size_t to,
               std::size_t count) {
  const std::size_t bytes = ops::kv_row_bytes(view.type, width);
  for (std::size_t head = 0; head < view.heads_kv; ++head, rows += view.capacity * bytes)
    std::memmove(rows + to * bytes, rows + from * bytes, count * bytes);
}

}  // namespace

void Transformer::forget(ThreadPool& pool, KvCache& cache, std::size_t first, std::size_t count) const {
  HEARTH_CHECK(first + count <= cache.used());
  if (weights_.position_embedding)
    throw Error(Code::unsupported, "tokens whose places are learned cannot move in a cache", {},
                "start again with fewer tokens");
  const std::size_t moved = cache.used() - first - count;
  constexpr std::size_t rows_at_once = 64;
  const std::vector<std::int32_t> back(rows_at_once, -static_cast<std::int32_t>(count));
  std::vector<float> memory(rows_at_once * h_.heads_kv * h_.key_width);
  for (std::size_t layer = 0; layer < h_.layers; ++layer) {
    ops::KvView view = cache.layer(layer);
    move_rows(view, view.keys, view.key_width, first + count, first, moved);
    move_rows(view, view.values, view.value_width, first + count, first, moved);
    const Rotation* const rotation = rotation_of(layer, cache.capacity());
    if (!rotation) continue;
    view.value_width = 0;  // keys alone are turned and stored again
    const std::size_t bytes = ops::kv_row_bytes(view.type, view.key_width);
    for (std::size_t begin = first; begin < first + moved; begin += rows_at_once) {
      const std::size_t rows = std::min(rows_at_once, first + moved - begin);
      const tensor::Rows keys{memory.data(), rows, view.heads_kv * view.key_width};
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t head = 0; head < view.heads_kv; ++head)
          tensor::info(tensor_type(view.type))
              .decode(view.keys + (head * view.capacity + begin + row) * bytes, keys.row(row) + head * view.key_width,
                      view.key_width);
      rotation->turn.forward(pool, keys, view.heads_kv, std::span(back).first(rows));
      ops::store_kv(pool, view, begin, keys, {memory.data(), rows, 0});
    }
  }
  cache.truncate(first + moved);
}

}  // namespace hearth::model
