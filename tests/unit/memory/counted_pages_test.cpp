#include "memory/counted_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>

namespace allcores::memory {
namespace {

constexpr std::size_t page = 4096;
volatile int mended = 0;

// As a runtime does that lets memory fault and goes on: a Java virtual machine, for one.
void mend(int, siginfo_t* fault, void*) {
    mended = mended + 1;
    mprotect(
        reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(fault->si_addr) / page * page),
        page, PROT_READ | PROT_WRITE);
}

TEST(counted_pages_death, a_handler_that_was_there_goes_on_mending) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            struct sigaction theirs{};
            theirs.sa_sigaction = mend;
            theirs.sa_flags = SA_SIGINFO;
            sigaction(SIGSEGV, &theirs, nullptr);
            let_counts_be_written(1);
            void* made = mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            auto* place = static_cast<volatile char*>(made);
            for (int i = 1; i <= 3; i++) {
                mprotect(made, page, PROT_READ);
                *place = 1;
                if (mended != i) _exit(1);
            }
            _exit(0);
        },
        testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace allcores::memory
