import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServiceFeedbackJson;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServiceResponseJson;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServicesJson;
import ca.uhn.hapi.fhir.cdshooks.module.CdsHooksObjectMapperFactory;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Reads JSON with HAPI FHIR's classes of CDS Hooks, and writes what they hold.
 *
 * <p>Each line of the input is a kind, a tab and JSON. Each line of the output is "ok", a tab and
 * JSON, or "failed", a tab and the reason.
 */
public class CdsHooksModels {
    private static final Map<String, Class<?>> KINDS = Map.of(
            "services", CdsServicesJson.class,
            "response", CdsServiceResponseJson.class,
            "feedback", CdsServiceFeedbackJson.class);

    public static void main(String[] arguments) throws Exception {
        var context = FhirContext.forR4();
        context.setParserErrorHandler(new StrictErrorHandler());
        var mapper = new CdsHooksObjectMapperFactory(context).newMapper();
        mapper.disable(SerializationFeature.INDENT_OUTPUT);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var parts = line.split("\t", 2);
            try {
                var read = mapper.readValue(parts[1], KINDS.get(parts[0]));
                out.println("ok\t" + mapper.writeValueAsString(read).replace("\n", " "));
            } catch (Exception problem) {
                out.println("failed\t" + String.valueOf(problem).replace("\n", " "));
            }
        }
    }
}
