import java.nio.file.Path;
import org.openhearth.GenerationOptions;
import org.openhearth.Model;
import org.openhearth.Result;
import org.openhearth.Session;
import org.openhearth.TextStream;

public class Chat {
  public static void main(String[] arguments) {
    Path path = Path.of(System.getProperty("user.home"), ".local/share/hearth/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    GenerationOptions options = new GenerationOptions().temperature(0).maxTokens(40);
    try (Model model = Model.open(path);
        Session session = model.session();
        TextStream answer = session.streamSay("What is the capital of France?", options)) {
      for (String piece : answer) {
        System.out.print(piece);
      }
      Result result = answer.result();
      System.out.println("\n" + result.generatedTokens() + " tokens, " + result.finishReason());
    }
  }
}
