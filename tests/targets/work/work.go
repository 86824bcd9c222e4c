// SPDX-License-Identifier: Apache-2.0

// work - goroutines that sort, format, join and collect garbage.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

type node struct {
	l, r *node
	v    int
}

func grow(d int) *node {
	if d == 0 {
		return &node{v: 1}
	}
	return &node{grow(d - 1), grow(d - 1), d}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.l.sum() + n.r.sum() + n.v
}

func work(end time.Time) {
	for time.Now().Before(end) {
		if grow(12).sum() < 0 {
			panic("sum")
		}
		a := make([]string, 500)
		for i := range a {
			a[i] = fmt.Sprintf("%d-%x", i*7919%501, i)
		}
		sort.Slice(a, func(i, j int) bool { return a[i] < a[j] })
		if len(strings.ToUpper(strings.Join(a, " "))) == 0 {
			panic("join")
		}
	}
}

func main() {
	seconds := 2.0
	if len(os.Args) > 1 {
		fmt.Sscan(os.Args[1], &seconds)
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	var wg sync.WaitGroup
	for g := 0; g < 2; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			work(end)
		}()
	}
	wg.Wait()
}
