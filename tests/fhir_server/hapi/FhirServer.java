import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.test.config.TestHSearchAddInConfig;
import ca.uhn.fhir.jpa.test.config.TestR4Config;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * HAPI FHIR's JPA server for R4 with its in-memory database, on the loopback address.
 *
 * <p>The argument is the port. The same data stand at /fhir, in pages of 20, and at /paged, in pages
 * of 2. Says "ready" when it answers.
 */
public class FhirServer {
    private static final int PAGE = 20;
    private static final int SMALL_PAGE = 2;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        var beans = new AnnotationConfigApplicationContext(
                TestR4Config.class, TestHSearchAddInConfig.NoFT.class);
        var settings = beans.getBean(JpaStorageSettings.class);
        settings.setReuseCachedSearchResultsForMillis(null);
        settings.setEnforceReferentialIntegrityOnWrite(false);
        // Some of the patients' ids are numbers, which HAPI by default keeps for itself.
        settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
        settings.setResourceServerIdStrategy(JpaStorageSettings.IdStrategyEnum.UUID);

        var context = new ServletContextHandler();
        context.setContextPath("/");
        context.addServlet(new ServletHolder(fhir(beans, PAGE, 1000)), "/fhir/*");
        context.addServlet(new ServletHolder(fhir(beans, SMALL_PAGE, SMALL_PAGE)), "/paged/*");
        var server = new Server(new InetSocketAddress("127.0.0.1", port));
        server.setHandler(context);
        server.start();
        System.out.println("ready");
        System.out.flush();
        server.join();
    }

    /** One door to the database; a page holds at most so many matches, whatever is asked for. */
    private static RestfulServer fhir(AnnotationConfigApplicationContext beans, int page, int most) {
        var paging = beans.getAutowireCapableBeanFactory().createBean(DatabaseBackedPagingProvider.class);
        paging.setDefaultPageSize(page);
        paging.setMaximumPageSize(most);
        var server = new RestfulServer(beans.getBean(FhirContext.class));
        var resources = beans.getBean("myResourceProvidersR4", ResourceProviderFactory.class);
        server.registerProviders(resources.createProviders());
        server.registerProvider(beans.getBean("mySystemProviderR4", JpaSystemProvider.class));
        server.setPagingProvider(paging);
        return server;
    }
}
