import java.nio.file.Path;
import java.util.Locale;
import org.openhearth.GenerationOptions;
import org.openhearth.Model;
import org.openhearth.Session;
import org.openhearth.TextStream;

public class Speed {
  public static void main(String[] arguments) {
    int tokens = Integer.parseInt(arguments[1]);
    double best = 0;
    GenerationOptions options = new GenerationOptions().temperature(0).ignoreEnd(true).maxTokens(tokens);
    try (Model model = Model.open(Path.of(arguments[0])); Session session = model.session()) {
      for (int i = 0; i < 3; i++) {
        long first = 0;
        try (TextStream answer = session.streamComplete("Once upon a time", options)) {
          for (String piece : answer) {
            first = first == 0 ? System.nanoTime() : first;
          }
        }
        best = Math.max(best, (tokens - 1) * 1e9 / (System.nanoTime() - first));
      }
    }
    System.out.printf(Locale.ROOT, "%.2f%n", best);
  }
}
