#include "decisions.h"

#include <algorithm>

namespace model {
namespace {

// At random: how often a time limit is over while others could go on; one in so many.
constexpr unsigned timeouts = 16;

}  // namespace

void decisions::begin() {
    depth_ = 0;
    preempted_ = 0;
    steps_ = 0;
    lowest_ = 0;
    priorities_.clear();
    changes_at_.clear();
    for (unsigned i = 0; i < changes_; ++i) changes_at_.push_back(random_() % longest_);
}

bool decisions::next() {
    if (random_runs_ > 0) {
        longest_ = std::max(longest_, steps_);
        return ++run_ < random_runs_;
    }
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().count) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    return true;
}

std::size_t decisions::take(std::size_t count) {
    if (count <= 1) return 0;
    if (depth_ == path_.size()) path_.push_back({0, count});
    return path_[depth_++].chosen;
}

std::size_t decisions::choose(std::size_t count) {
    return random_runs_ > 0 ? random_() % count : take(count);
}

std::size_t decisions::pick(const std::vector<move>& moves) {
    if (random_runs_ > 0) return pick_random(moves);
    const bool may_preempt = preempted_ < preemptions_;
    const auto is_allowed = [&](const move& each) { return may_preempt || !each.is_preemption; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(moves, is_allowed));
    std::size_t left = take(count);
    std::size_t at = 0;
    while (!is_allowed(moves[at]) || left-- > 0) ++at;
    if (moves[at].is_preemption) ++preempted_;
    return at;
}

std::size_t decisions::pick_random(const std::vector<move>& moves) {
    std::size_t best = moves.size();
    const auto find = [&] {
        best = moves.size();
        for (std::size_t i = 0; i < moves.size(); ++i) {
            if (moves[i].is_timeout) continue;
            if (best == moves.size() ||
                priority_of(moves[i].thread) > priority_of(moves[best].thread)) {
                best = i;
            }
        }
    };
    find();
    if (best < moves.size() && std::ranges::contains(changes_at_, steps_)) {
        yielded(moves[best].thread);
        find();
    }
    ++steps_;
    if (moves.back().is_timeout && (best == moves.size() || random_() % timeouts == 0))
        return moves.size() - 1;
    return best;
}

std::int64_t& decisions::priority_of(unsigned thread) {
    while (priorities_.size() <= thread)
        priorities_.push_back(static_cast<std::int64_t>(random_() % 1'000'000) + 1);
    return priorities_[thread];
}

}  // namespace model
