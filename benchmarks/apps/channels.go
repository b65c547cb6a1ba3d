// Go's channels, for benchmarks/channels.py: the same cases with the same small item.
//
//	channels CASE CAPACITY COUNT THREADS    prints nanoseconds an item; capacity -1: as many as all
//	channels awake|asleep 0 COUNT PAUSE     nanoseconds there and back, the median
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

type item struct {
	number int
	value  float64
	name   string
	other  any
}

var sent = item{1000, 2.5, "name", nil}

func number(index int) int {
	value, err := strconv.Atoi(os.Args[index])
	if err != nil {
		panic(err)
	}
	return value
}

// All bodies at once; how long until the last has ended.
func together(bodies ...func()) time.Duration {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for _, body := range bodies {
		all.Add(1)
		go func() {
			defer all.Done()
			<-begin
			body()
		}()
	}
	start := time.Now()
	close(begin)
	all.Wait()
	return time.Since(start)
}

func push(where chan item, count int) func() {
	return func() {
		for range count {
			where <- sent
		}
	}
}

func pop(where chan item, count int) func() {
	return func() {
		for range count {
			<-where
		}
	}
}

func selectPop(c [4]chan item, count int) func() {
	return func() {
		for range count {
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			}
		}
	}
}

func selectPush(c [4]chan item, count int) func() {
	return func() {
		for range count {
			select {
			case c[0] <- sent:
			case c[1] <- sent:
			case c[2] <- sent:
			case c[3] <- sent:
			}
		}
	}
}

func throughput(name string, capacity int, count int, threads int) float64 {
	if threads != 4 {
		panic("selects are written for 4")
	}
	if capacity < 0 {
		capacity = count
	}
	each := count / threads
	one := make(chan item, capacity)
	var some [4]chan item
	for i := range some {
		some[i] = make(chan item, capacity)
	}
	var bodies []func()
	switch name {
	case "seq":
		bodies = append(bodies, func() { push(one, count)(); pop(one, count)() })
	case "spsc":
		bodies = append(bodies, push(one, count), pop(one, count))
	case "mpsc":
		bodies = append(bodies, pop(one, each*threads))
	case "select_rx":
		bodies = append(bodies, selectPop(some, each*threads))
	}
	for i := range threads {
		switch name {
		case "mpsc":
			bodies = append(bodies, push(one, each))
		case "mpmc":
			bodies = append(bodies, push(one, each), pop(one, each))
		case "select_rx":
			bodies = append(bodies, push(some[i], each))
		case "select_both":
			bodies = append(bodies, selectPush(some, each), selectPop(some, each))
		}
	}
	return float64(together(bodies...).Nanoseconds()) / float64(count)
}

func roundTrip(count int, pause time.Duration) float64 {
	there, back := make(chan item), make(chan item)
	go func() {
		for range count {
			back <- <-there
		}
	}()
	times := make([]float64, count)
	for i := range times {
		if pause > 0 {
			time.Sleep(pause)
		}
		start := time.Now()
		there <- sent
		<-back
		times[i] = float64(time.Since(start).Nanoseconds())
	}
	slices.Sort(times)
	return times[count/2]
}

func main() {
	name, count := os.Args[1], number(3)
	switch name {
	case "awake":
		fmt.Println(roundTrip(count, 0))
	case "asleep":
		fmt.Println(roundTrip(count, time.Duration(number(4))*time.Microsecond))
	default:
		fmt.Println(throughput(name, number(2), count, number(4)))
	}
}
