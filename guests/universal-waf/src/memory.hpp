// Memory that is only ever taken, never given back piece by piece: what configure() keeps lasts as long as the
// instance, and what a request needs is forgotten as a whole before the next one.
//
// Thread safety: as everything in a module, one call at a time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__wasm__)
inline void* operator new(size_t, void* place) noexcept { return place; }
#else
#include <new>
#endif

namespace secbeat::waf {

class Arena {
 public:
  // Gives memory of at least this many bytes; never null, it ends the module instead.
  using More = char* (*)(size_t bytes);

  constexpr Arena() = default;
  // Takes from `memory` first. Then from `more`; without that it is full, and overflowed() says so.
  constexpr Arena(char* memory, size_t size, More more)
      : begin_(memory), top_(memory), end_(memory + size), more_(more) {}

  // Null when it is full.
  void* take(size_t size, size_t align) {
    const size_t gap = (align - reinterpret_cast<uintptr_t>(top_) % align) % align;
    if (size + gap <= static_cast<size_t>(end_ - top_)) {
      char* const place = top_ + gap;
      top_ = place + size;
      return place;
    }
    return take_from_more(size, align);
  }

  // `count` objects, not initialised.
  template <class T>
  T* take_array(size_t count) {
    return static_cast<T*>(take(count * sizeof(T), alignof(T)));
  }
  template <class T>
  T* make() {
    void* const place = take(sizeof(T), alignof(T));
    return place == nullptr ? nullptr : new (place) T();
  }

  // Gives back the end of the newest block, of which only what lies before `used_end` is kept.
  void trim(char* used_end) { top_ = used_end; }
  // The newest block, grown where it stands.
  bool extend(const char* block_end, size_t more) {
    if (block_end != top_ || static_cast<size_t>(end_ - top_) < more) return false;
    top_ += more;
    return true;
  }

  // Forgets all that lies in the first memory.
  void reset() {
    top_ = begin_;
    overflowed_ = false;
  }
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] size_t left() const { return static_cast<size_t>(end_ - top_); }
  [[nodiscard]] size_t size() const { return static_cast<size_t>(end_ - begin_); }

 private:
  void* take_from_more(size_t size, size_t align) {
    if (more_ == nullptr) {
      overflowed_ = true;
      return nullptr;
    }
    constexpr size_t kBlock = 65536;
    const size_t block = size + align > kBlock ? size + align : kBlock;
    top_ = more_(block);
    end_ = top_ + block;
    return take(size, align);
  }

  char* begin_ = nullptr;
  char* top_ = nullptr;
  char* end_ = nullptr;
  More more_ = nullptr;
  bool overflowed_ = false;
};

// A growing array in an arena. Where the arena is full it stops to grow.
template <class T>
class Array {
 public:
  void push(Arena& arena, const T& value) {
    if (size_ == capacity_ && !grow(arena)) return;
    new (data_ + size_) T(value);
    ++size_;
  }
  [[nodiscard]] uint32_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // REQUIRES: index < size().
  T& operator[](size_t index) { return data_[index]; }
  const T& operator[](size_t index) const { return data_[index]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  void clear() { size_ = 0; }
  void cut(uint32_t size) { size_ = size; }

 private:
  bool grow(Arena& arena) {
    constexpr uint32_t kFirst = 4;
    const uint32_t wanted = capacity_ == 0 ? kFirst : capacity_ * 2;
    if (capacity_ != 0 &&
        arena.extend(reinterpret_cast<const char*>(data_ + capacity_), (wanted - capacity_) * sizeof(T))) {
      capacity_ = wanted;
      return true;
    }
    T* const room = arena.take_array<T>(wanted);
    if (room == nullptr) return false;
    for (uint32_t i = 0; i < size_; ++i) new (room + i) T(data_[i]);
    data_ = room;
    capacity_ = wanted;
    return true;
  }

  T* data_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

// Numbers 0 to size-1, each in the set or not.
class BitSet {
 public:
  void make(Arena& arena, size_t size) {
    words_ = (size + 63) / 64;
    bits_ = arena.take_array<uint64_t>(words_);
    clear();
  }
  void clear() {
    for (size_t i = 0; i < words_; ++i) bits_[i] = 0;
  }
  // REQUIRES: of equal size.
  void copy_from(const BitSet& other) {
    for (size_t i = 0; i < words_; ++i) bits_[i] = other.bits_[i];
  }
  void add(size_t number) { bits_[number / 64] |= uint64_t{1} << (number % 64); }
  [[nodiscard]] bool has(size_t number) const { return (bits_[number / 64] >> (number % 64) & 1U) != 0; }
  [[nodiscard]] size_t words() const { return words_; }
  [[nodiscard]] uint64_t word(size_t index) const { return bits_[index]; }

 private:
  uint64_t* bits_ = nullptr;
  size_t words_ = 0;
};

}  // namespace secbeat::waf
