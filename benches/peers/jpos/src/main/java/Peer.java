import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jpos.iso.ISOMsg;
import org.jpos.iso.ISOUtil;
import org.jpos.iso.packager.GenericPackager;
import org.json.JSONObject;

/**
 * What jPOS's GenericPackager makes of messages, for comparison: parse, assemble, bench. The lines
 * of JSON that go in and come out are described in ../../../interop/README.md.
 */
public final class Peer {
    private static final int ROUNDS = 15;
    private static final long ROUND_NANOS = 30_000_000;
    /** The compiler has seen the code often enough after so long. */
    private static final long WARM_NANOS = 1_000_000_000;

    private static Object sink;

    private interface Call {
        Object run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 4) {
            System.err.println("Peer parse|assemble|bench SPEC INPUT OUTPUT");
            System.exit(2);
        }
        GenericPackager packager = new GenericPackager(arguments[1]);
        try (PrintWriter out =
                new PrintWriter(Files.newBufferedWriter(Path.of(arguments[3]), StandardCharsets.UTF_8))) {
            for (String text : Files.readAllLines(Path.of(arguments[2]), StandardCharsets.UTF_8)) {
                if (text.isEmpty()) {
                    continue;
                }
                JSONObject line = new JSONObject(text);
                switch (arguments[0]) {
                    case "parse" -> out.println(parse(packager, line));
                    case "assemble" -> out.println(assemble(packager, line));
                    case "bench" -> bench(packager, line).forEach(out::println);
                    default -> throw new IllegalArgumentException("no mode " + arguments[0]);
                }
            }
        }
    }

    private static ISOMsg unpack(GenericPackager packager, byte[] frame) throws Exception {
        ISOMsg message = new ISOMsg();
        message.setPackager(packager);
        int used = message.unpack(frame);
        if (used != frame.length) {
            throw new IllegalStateException("used " + used + " of " + frame.length + " bytes");
        }
        return message;
    }

    private static JSONObject values(ISOMsg message) throws Exception {
        JSONObject fields = new JSONObject();
        for (int number = 2; number <= 128; number++) {
            if (!message.hasField(number)) {
                continue;
            }
            Object value = message.getValue(number);
            if (value instanceof byte[] bytes) {
                fields.put(Integer.toString(number), new JSONObject().put("hex", ISOUtil.hexString(bytes)));
            } else {
                fields.put(Integer.toString(number), value.toString());
            }
        }
        return fields;
    }

    private static JSONObject parse(GenericPackager packager, JSONObject line) {
        JSONObject answer = new JSONObject().put("id", line.getString("id"));
        try {
            ISOMsg message = unpack(packager, ISOUtil.hex2byte(line.getString("frame")));
            return answer.put("mti", message.getMTI()).put("fields", values(message));
        } catch (Exception error) {
            return answer.put("error", error.toString());
        }
    }

    /** Text or bytes by field number, so that no JSON is read while the clock runs. */
    private static Object[] values(JSONObject line) {
        Object[] values = new Object[129];
        JSONObject fields = line.getJSONObject("fields");
        for (String number : fields.keySet()) {
            Object value = fields.get(number);
            values[Integer.parseInt(number)] =
                    value instanceof JSONObject bytes ? ISOUtil.hex2byte(bytes.getString("hex")) : value;
        }
        return values;
    }

    private static ISOMsg build(GenericPackager packager, String mti, Object[] values) throws Exception {
        ISOMsg message = new ISOMsg(mti);
        message.setPackager(packager);
        for (int number = 2; number < values.length; number++) {
            if (values[number] instanceof byte[] bytes) {
                message.set(number, bytes);
            } else if (values[number] instanceof String text) {
                message.set(number, text);
            }
        }
        return message;
    }

    private static ISOMsg build(GenericPackager packager, JSONObject line) throws Exception {
        return build(packager, line.getString("mti"), values(line));
    }

    private static JSONObject assemble(GenericPackager packager, JSONObject line) {
        JSONObject answer = new JSONObject().put("id", line.getString("id"));
        try {
            return answer.put("frame", ISOUtil.hexString(build(packager, line).pack()));
        } catch (Exception error) {
            return answer.put("error", error.toString());
        }
    }

    private static double measure(Call call) throws Exception {
        int calls = 64;
        long warm = System.nanoTime();
        while (true) {
            long begun = System.nanoTime();
            for (int i = 0; i < calls; i++) {
                sink = call.run();
            }
            long now = System.nanoTime();
            if (now - begun < ROUND_NANOS) {
                calls *= 2;
            } else if (now - warm > WARM_NANOS) {
                break;
            }
        }
        double[] figures = new double[ROUNDS];
        for (int place = 0; place < ROUNDS; place++) {
            long begun = System.nanoTime();
            for (int i = 0; i < calls; i++) {
                sink = call.run();
            }
            figures[place] = (System.nanoTime() - begun) / (double) calls;
        }
        Arrays.sort(figures);
        return figures[ROUNDS / 2];
    }

    private static JSONObject figure(JSONObject line, String direction) {
        return new JSONObject().put("id", line.getString("id")).put("direction", direction);
    }

    private static List<JSONObject> bench(GenericPackager packager, JSONObject line) throws Exception {
        List<JSONObject> figures = new ArrayList<>();
        byte[] frame = ISOUtil.hex2byte(line.getString("frame"));
        String mti = line.getString("mti");
        Object[] values = values(line);
        JSONObject read = parse(packager, line);
        boolean same = line.getString("mti").equals(read.optString("mti"))
                && line.getJSONObject("fields").similar(read.optJSONObject("fields"));
        JSONObject decode = figure(line, "decode");
        figures.add(same
                ? decode.put("ns", measure(() -> unpack(packager, frame)))
                : decode.put("error", read.optString("error", "values differ")));
        ISOMsg message = build(packager, line);
        JSONObject encode = figure(line, "encode");
        figures.add(Arrays.equals(message.pack(), frame)
                ? encode.put("ns", measure(message::pack))
                : encode.put("error", "the bytes differ"));
        figures.add(figure(line, "compose").put("ns", measure(() -> build(packager, mti, values).pack())));
        return figures;
    }
}
