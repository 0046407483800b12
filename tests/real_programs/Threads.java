import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** Threads that use memory outside the collected heap: direct buffers, zlib. */
public final class Threads {
    private Threads() {
    }

    private static long work(int seed) throws Exception {
        long state = seed;
        TreeMap<String, byte[]> words = new TreeMap<>();
        for (int count = 0; count < 20000; count++) {
            state = state * 16807 % 2147483647;
            words.put(Long.toString(state % 3000, 36), new byte[(int) (state % 300)]);
        }
        CRC32 sum = new CRC32();
        for (String word : words.keySet()) {
            sum.update(word.getBytes("UTF-8"));
            sum.update(words.get(word));
        }
        for (int round = 0; round < 50; round++) {
            ByteBuffer direct = ByteBuffer.allocateDirect(1000 + round * 997);
            for (int at = 0; at < direct.capacity(); at++) {
                direct.put((byte) (at * seed));
            }
            byte[] whole = new byte[direct.capacity()];
            direct.flip();
            direct.get(whole);
            byte[] packed = new byte[whole.length + 1000];
            Deflater deflater = new Deflater();
            deflater.setInput(whole);
            deflater.finish();
            int length = deflater.deflate(packed);
            deflater.end();
            Inflater inflater = new Inflater();
            inflater.setInput(packed, 0, length);
            byte[] again = new byte[whole.length];
            int unpacked = inflater.inflate(again);
            inflater.end();
            sum.update(again, 0, unpacked);
        }
        return sum.getValue();
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<Future<Long>> answers = new ArrayList<>();
        for (int seed = 1; seed <= 18; seed++) {
            int own = seed;
            Callable<Long> task = () -> work(own);
            answers.add(pool.submit(task));
        }
        for (Future<Long> answer : answers) {
            System.out.println(answer.get());
        }
        pool.shutdown();
    }
}
