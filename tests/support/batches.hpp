// Batches that tests share: plain, and one with everything that rows can be.
#pragma once
#include <fauna/core/batch.hpp>

namespace test {

inline fauna::Batch plain(int sequences, int length) { return fauna::Batch::uniform(sequences, length); }

/// Three sequences of 7, 4 and 1 rows. The first packs two documents; the second is a tree: rows 9 and 10 both continue
/// row 8.
inline fauna::Batch ragged() {
  static const int offsets[] = {0, 7, 11, 12};
  static const int documents[] = {0, 0, 0, 0, 4, 4, 4, 7, 7, 7, 7, 11};
  static const int positions[] = {0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 2, 0};
  static const int parents[] = {-1, 0, 1, 2, 3, 4, 5, -1, 7, 8, 8, -1};
  fauna::Batch b;
  b.sequences = 3;
  b.rows = 12;
  b.offsets = offsets;
  b.positions = positions;
  b.document_start = documents;
  b.parent = parents;
  return b;
}

/// Four sequences of 0, 3, 0 and 2 rows: two of them are finished.
inline fauna::Batch with_finished() {
  static const int offsets[] = {0, 0, 3, 3, 5};
  fauna::Batch b;
  b.sequences = 4;
  b.rows = 5;
  b.offsets = offsets;
  return b;
}

}  // namespace test
