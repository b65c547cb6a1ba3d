// A mutex of the whole process that a forked child can use: the child has no thread but the one
// that forked, so whoever else had the mutex would never give it back there.
#pragma once
#include <pthread.h>

namespace allcores::concurrency {

// From now on every fork of the process waits for the mutex, which `Mutex` returns, and both sides
// have it free. Of several, one that is taken while another is held is to be kept first: fork takes
// the last one first. 0, or an error number.
template <auto Mutex>
int keep_over_fork() noexcept {
    return pthread_atfork([] { Mutex().lock(); }, [] { Mutex().unlock(); },
                          [] { Mutex().unlock(); });
}

}  // namespace allcores::concurrency
