// Latencies in logarithmic buckets with a relative error below 1 %, as HdrHistogram does
// (http://hdrhistogram.org): every value counts, none is sampled, and recording costs a few
// instructions. One thread.
#pragma once
#include <array>
#include <bit>
#include <cstdint>

namespace allcores::load {

class histogram {
 public:
    void record(uint64_t nanoseconds) {
        ++counts_[index_of(nanoseconds)];
        ++total_;
        sum_ += nanoseconds;
        if (nanoseconds > largest_) largest_ = nanoseconds;
    }

    uint64_t count() const { return total_; }
    uint64_t largest() const { return largest_; }
    double mean() const { return total_ ? double(sum_) / double(total_) : 0; }

    // The value that the given share (0 to 1) of the recorded ones does not exceed, in nanoseconds.
    uint64_t quantile(double share) const {
        const uint64_t wanted = uint64_t(share * double(total_));
        uint64_t seen = 0;
        for (size_t index = 0; index < counts_.size(); ++index) {
            seen += counts_[index];
            if (seen > wanted) return std::min(middle_of(index), largest_);
        }
        return largest_;
    }

 private:
    // 128 linear steps for each power of two; values up to 2^40 ns, which is 18 minutes.
    static constexpr int step_bits = 7;
    static constexpr int largest_bit = 40;

    static size_t index_of(uint64_t value) {
        const int above = std::bit_width(value) - (step_bits + 1);
        if (above <= 0) return value;
        if (above >= largest_bit - step_bits) return size - 1;
        return (size_t(above) << step_bits) + (value >> above);
    }
    static uint64_t middle_of(size_t index) {
        if (index < (size_t(2) << step_bits)) return index;
        const int above = int(index >> step_bits) - 1;
        const uint64_t steps = index - (size_t(above) << step_bits);
        return (steps << above) + (uint64_t(1) << above) / 2;
    }

    static constexpr size_t size = size_t(largest_bit - step_bits + 2) << step_bits;
    std::array<uint64_t, size> counts_{};
    uint64_t total_ = 0, sum_ = 0, largest_ = 0;
};

}  // namespace allcores::load
