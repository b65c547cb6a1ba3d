// A library that computes with OpenMP.
#include <omp.h>

int most(void) {
    return omp_get_max_threads();
}

int used(void) {
    int count = 0;
#pragma omp parallel
    {
#pragma omp atomic
        count++;
    }
    return count;
}

void choose(int count) {
    omp_set_num_threads(count);
}
