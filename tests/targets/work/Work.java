// SPDX-License-Identifier: Apache-2.0

/** Work - recursion, sorting and hashing, compiled at run time. Argument: seconds. */
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class Work {
	static int fib(int n) {
		return n < 2 ? n : fib(n - 1) + fib(n - 2);
	}

	public static void main(String[] args) {
		long end = System.currentTimeMillis() + (args.length > 0 ? Integer.parseInt(args[0]) : 2) * 1000L;
		long sum = 0;

		while (System.currentTimeMillis() < end) {
			List<String> list = new ArrayList<>();
			Map<String, Integer> counts = new HashMap<>();

			sum += fib(22);
			for (int i = 0; i < 3000; i++)
				list.add("k" + i * 7919 % 3001);
			Collections.sort(list);
			for (String s : list)
				counts.merge(s, 1, Integer::sum);
			sum += counts.size();
		}
		System.exit(sum > 0 ? 0 : 1);
	}
}
